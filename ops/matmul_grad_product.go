package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// gradProduct adds alpha * P·Q to C, an m by n matrix, over a depth of k, in a
// backward run. P and Q are read by strides, so that either may be transposed.
// Depth goes in chunks: of each, P is copied as rows, where it is not rows already, and
// Q packed, then tasks take tiles of C; or with both read along their rows nothing is
// packed (see turned). One element of C belongs to one task and chunks come in
// order, so the result does not depend on the number of threads.
//
// P, Q and C are set before Run: a trainer runs one step at a time, so they
// can live in the kernel.
type gradProduct struct {
	m, n, k    int
	pm, pk     int // strides of P along m and k
	qk, qn     int // strides of Q; one of them is 1
	ldc        int
	alpha      float32
	p, q, c    []float32
	plain      bool // float64 sums, no packing
	sets       bool // C is set, not added to
	tn         *gradProductTN
	gemm       *kern.GemmF32
	chunk      int // depth at once
	cut        gemmCut
	packAt     int
	first, now int // of the current chunk
	rows       gradProductRows
	pack       gradProductPack
}

// gradDepth is the depth of a chunk: its packed form for a thousand columns is
// two megabytes.
const gradDepth = 512

// prepare chooses chunks and asks for scratch.
func (t *gradProduct) prepare(p *GradPrep) {
	t.plain = p.Reference || t.m*t.n*t.k == 0
	if t.alpha == 0 {
		t.alpha = 1
	}
	if t.plain {
		return
	}
	if t.tn = newGradProductTN(p, t); t.tn != nil {
		return
	}
	t.gemm = kern.SelectGemmF32()
	t.chunk = min(t.k, gradDepth)
	t.cut = cutGemm(t.gemm, t.m, t.n, t.k, 1, p.Threads)
	if !t.direct() {
		t.packAt = roundUp(t.m*t.chunk, 16)
	}
	t.rows.t, t.pack.t = t, t
	p.NeedScratch(4 * (t.packAt + t.gemm.PackedSize(t.n, t.chunk)))
}

// direct says that P's rows need no copy.
func (t *gradProduct) direct() bool { return t.pk == 1 && t.alpha == 1 }

func (t *gradProduct) Run(g *Grads) {
	switch {
	case t.plain:
		t.runPlain()
		return
	case t.tn != nil:
		t.tn.Run(g)
		return
	}
	for t.first = 0; t.first < t.k; t.first += t.chunk {
		t.now = min(t.chunk, t.k-t.first)
		if !t.direct() {
			g.Parallel((t.m+gradRows-1)/gradRows, &t.rows)
		}
		g.Parallel((t.n+t.packCols()-1)/t.packCols(), &t.pack)
		g.Parallel(t.cut.tasks(), t)
	}
}

func (t *gradProduct) runPlain() {
	for m := range t.m {
		for n := range t.n {
			sum := 0.0
			for k := range t.k {
				sum += float64(t.p[m*t.pm+k*t.pk]) * float64(t.q[k*t.qk+n*t.qn])
			}
			if sum *= float64(t.alpha); t.sets {
				t.c[m*t.ldc+n] = float32(sum)
			} else {
				t.c[m*t.ldc+n] += float32(sum)
			}
		}
	}
}

// packCols is how many columns one packing task takes.
func (t *gradProduct) packCols() int { return 4 * t.gemm.NR }

func (t *gradProduct) rowCopy(g *Grads) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[:t.m*t.chunk]
}

func (t *gradProduct) packed(g *Grads) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[t.packAt:][:t.gemm.PackedSize(t.n, t.now)]
}

// gradProductRows copies rows of P's chunk, times alpha.
type gradProductRows struct{ t *gradProduct }

func (r *gradProductRows) Do(g *Grads, i, _ int) {
	t := r.t
	dst := t.rowCopy(g)
	m0, m1 := i*gradRows, min(t.m, (i+1)*gradRows)
	src := t.p[t.first*t.pk:]
	if t.pk == 1 {
		for m := m0; m < m1; m++ {
			row := dst[m*t.chunk:][:t.now]
			copy(row, src[m*t.pm:])
			if t.alpha != 1 {
				kern.BinaryScalarF32(kern.Mul, row, row, t.alpha, negInf, posInf)
			}
		}
		return
	}
	for k := range t.now {
		for m := m0; m < m1; m++ {
			dst[m*t.chunk+k] = t.alpha * src[m*t.pm+k*t.pk]
		}
	}
}

// gradProductPack packs columns of Q's chunk. Panels follow one another, so a
// task packs whole ones.
type gradProductPack struct{ t *gradProduct }

func (r *gradProductPack) Do(g *Grads, i, _ int) {
	t := r.t
	n0 := i * t.packCols()
	n := min(t.packCols(), t.n-n0)
	dst := t.packed(g)[n0*t.now:]
	src := t.q[t.first*t.qk+n0*t.qn:]
	if t.qn == 1 {
		t.gemm.PackKN(dst, src, n, t.now, t.qk)
	} else {
		t.gemm.Pack(dst, src, n, t.now, t.qn)
	}
}

// Do adds the chunk's product to a tile of C.
func (t *gradProduct) Do(g *Grads, i, _ int) {
	m0, m1, n0, n1 := t.cut.task(i, t.m, t.n)
	args := kern.GemmF32Args{
		Taps: 1, KC: t.now, B: t.packed(g), N: t.n, C: t.c, LDC: t.ldc, Min: negInf, Max: posInf,
	}
	if args.A, args.LDA = t.p[t.first:], t.pm; !t.direct() {
		args.A, args.LDA = t.rowCopy(g), t.chunk
	}
	if !t.sets || t.first > 0 {
		args.Res, args.LDR = t.c, t.ldc
	}
	t.gemm.Run(&args, m0, m1, n0, n1)
}
