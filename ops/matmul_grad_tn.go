package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// gradProductTN is a gradProduct whose operands are both walked along rows of their depth, of which nothing is packed:
// P and Q as they lie, as for the gradient of weights, or few rows of P turned round, so that large weights are read
// once and not copied. A task owns a tile of C and goes through the depth in chunks, so that bits do not depend on
// the number of threads.
type gradProductTN struct {
	t          *gradProduct
	turn       bool // P is copied, turned round
	packs      bool // panels of both are copied
	chunk      int  // depth at once
	rows, cols int  // of a task's tile
	rowTasks   int
	slot       int // floats of one worker's panels
}

const (
	// turnedRows are as many as make packing Q dearer than reading it.
	turnedRows = 32
	// tnDepth by tnCols of Q stay in the cache while tnRows of C pass over them.
	tnDepth, tnRows, tnCols = 128, 96, 128
	// With packColumns of C or more, panels are worth copying; packTile rows and columns over packDepthTN leave room for others
	// in the second-level cache.
	packColumns, packTile, packDepthTN = 96, 384, 192
)

// newGradProductTN is nil where the operands lie otherwise.
func newGradProductTN(p *GradPrep, t *gradProduct) *gradProductTN {
	k := &gradProductTN{t: t, chunk: tnDepth, rows: tnRows, cols: tnCols}
	switch {
	case t.alpha != 1 || t.qn != 1:
		return nil
	case t.pm == 1 && t.k <= turnedRows: // C is large beside the operands: written line by line
		k.rows, k.cols = 12, t.n
	case t.pm == 1 && k.pack(p, max(1, p.Threads)):
	case t.pm == 1:
	case t.pk == 1 && t.m <= turnedRows:
		k.turn, k.chunk, k.cols = true, 16, 2048
		p.NeedScratch(4 * t.m * t.k)
	default:
		return nil
	}
	k.rowTasks = (t.m + k.rows - 1) / k.rows
	return k
}

// pack decides on panels and on tiles, of which each thread is to have some.
func (k *gradProductTN) pack(p *GradPrep, threads int) bool {
	t := k.t
	mr, nr := kern.TNPanels()
	if mr == 0 || t.n < packColumns || t.m < tnRows/2 {
		return false
	}
	k.packs, k.chunk = true, packDepthTN
	k.rows, k.cols = min(packTile, roundUp(t.m, mr)), min(packTile, t.n)
	for threads > 1 && k.rows > tnRows/2 && (t.m+k.rows-1)/k.rows*((t.n+k.cols-1)/k.cols) < 2*threads {
		k.rows = roundUp(k.rows/2, mr)
	}
	k.slot = roundUp((k.rows+roundUp(k.cols, nr))*k.chunk, 16)
	p.NeedScratch(4 * k.slot * threads)
	return true
}

func (k *gradProductTN) Run(g *Grads) {
	t := k.t
	if k.turn {
		kern.Transpose(tensor.CastSlice[uint32](g.Scratch), tensor.CastSlice[uint32](tensor.BytesOf(t.p)), t.m, t.k, t.m, t.pm)
	}
	g.Parallel(k.rowTasks*((t.n+k.cols-1)/k.cols), k)
}

// Do adds to a tile of C.
func (k *gradProductTN) Do(g *Grads, i, worker int) {
	t := k.t
	m, n := i%k.rowTasks*k.rows, i/k.rowTasks*k.cols
	if k.packs {
		k.tile(g, t.p[m:], t.q[n:], t.c[m*t.ldc+n:], min(k.rows, t.m-m), min(k.cols, t.n-n), t.ldc, worker, !t.sets)
		return
	}
	a := kern.GemmTNArgs{A: t.p, LDA: t.pk, B: t.q, LDB: t.qk, M: t.m, N: t.n, C: t.c, LDC: t.ldc, Accumulate: !t.sets}
	if k.turn {
		a.A, a.LDA = tensor.CastSlice[float32](g.Scratch)[:t.m*t.k], t.m
	}
	p, q := a.A, a.B
	for from := 0; from < t.k; from += k.chunk {
		a.A, a.B, a.K = p[from*a.LDA:], q[from*a.LDB:], min(k.chunk, t.k-from)
		a.Run(m, min(t.m, m+k.rows), n, min(t.n, n+k.cols))
		a.Accumulate = true
	}
}

// tile adds the product of m columns of P and n of Q to a tile of C.
func (k *gradProductTN) tile(g *Grads, p, q, c []float32, m, n, ldc, worker int, add bool) {
	t := k.t
	mr, nr := kern.TNPanels()
	room := tensor.CastSlice[float32](g.Scratch)[worker*k.slot:][:k.slot]
	left, right := room[:k.rows*k.chunk], room[k.rows*k.chunk:]
	a := kern.GemmTNArgs{LDA: mr, LDB: nr, LDC: ldc, Accumulate: add}
	for from := 0; from < t.k; from += k.chunk {
		a.K = min(k.chunk, t.k-from)
		kern.PackTN(left, p[from*t.pk:], a.K, m, t.pk, mr)
		kern.PackTN(right, q[from*t.qk:], a.K, n, t.qk, nr)
		for j := 0; j < n; j += nr {
			a.B, a.N = right[j*a.K:], min(nr, n-j)
			for i := 0; i < m; i += mr {
				a.A, a.M, a.C = left[i*a.K:], min(mr, m-i), c[i*ldc+j:]
				a.Run(0, a.M, 0, a.N)
			}
		}
		a.Accumulate = true
	}
}
