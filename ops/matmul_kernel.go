package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Prepare picks the integer form, the plain path, or packed products.
func (o *MatMul) Prepare(p *Prep) (Kernel, error) {
	s, a, b, err := o.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if isQuantised(a) {
		return o.prepareInt(p)
	}
	if p.Reference || s.m*s.n*s.k*s.batches == 0 {
		k := newProduct(p, s.terms(), 1)
		k.act, k.alpha, k.at[productBias] = o.Act, s.alpha, -1
		return k, nil
	}
	return o.prepareGemm(p, s, a, b), nil
}

// strides are the distances between neighbours of an operand's matrix.
func (s *matMulSpec) strides() (am, ak, bk, bn int) {
	am, ak, bk, bn = s.k, 1, s.n, 1
	if s.transA {
		am, ak = 1, s.m
	}
	if s.transB {
		bk, bn = 1, s.k
	}
	return am, ak, bk, bn
}

// place is which matrix of operand i belongs to product p.
func (s *matMulSpec) place(i, p int) int {
	w := s.batch
	return w.at(i, p/w.inner) + p%w.inner*w.step(i)
}

// matMulGemm is packed products. Right sides that are parameters are packed
// once, others at the start of a run; a transposed left side is turned then.
type matMulGemm struct {
	matMulSpec
	params   []tensor.Tensor
	gemm     *kern.GemmF32
	packed   []float32 // all right sides, when they are a parameter
	size     int       // floats of one packed right side
	as, bs   int       // matrices of the operands
	lo, hi   float32
	act      Act
	late     bool // the activation or alpha is applied to stored rows
	rows     int  // of one product: several left sides with one right side are one
	products int
	cut      gemmCut
	packAt   int // floats of scratch before the packed right sides
	turn     matMulTurn
	pack     matMulPack
}

func (o *MatMul) prepareGemm(p *Prep, s matMulSpec, a, b *tensor.Spec) *matMulGemm {
	k := &matMulGemm{matMulSpec: s, params: p.Params, gemm: kern.SelectGemmF32(), act: o.Act}
	k.as, k.bs = a.Shape.Elems()/(s.m*s.k), b.Shape.Elems()/(s.k*s.n)
	k.size = k.gemm.PackedSize(s.n, s.k)
	lo, hi, ok := o.Act.Clamp()
	k.lo, k.hi, k.late = lo, hi, !ok || s.alpha != 1
	k.rows, k.products = s.m, s.batches
	if k.bs == 1 && k.as == s.batches && !s.transA {
		k.rows, k.products = s.m*s.batches, 1
	}
	k.cut = cutGemm(k.gemm, k.rows, s.n, s.k, k.products, p.Threads)
	if s.transA {
		k.packAt = roundUp(a.Shape.Elems(), 16)
	}
	k.turn.k, k.pack.k = k, k
	scratch := k.packAt
	if len(p.In) < 2 { // the right side is the last parameter
		w := p.Params[len(p.Params)-1]
		layout := "matmul/" + k.gemm.Name
		if s.transB {
			layout = "matmul/transposed/" + k.gemm.Name
		}
		packed := p.Pack(&w, layout, 4*k.size*k.bs, func(dst []byte) {
			k.packAll(tensor.CastSlice[float32](dst), f32(&w))
		})
		k.packed = tensor.CastSlice[float32](packed)
	} else {
		scratch += k.size * k.bs
	}
	p.NeedScratch(4 * scratch)
	p.Path("gemm/" + k.gemm.Name)
	return k
}

func (k *matMulGemm) packAll(dst, w []float32) {
	for i := range k.bs {
		k.packColumns(dst[i*k.size:], w[i*k.k*k.n:], 0, k.n)
	}
}

// packColumns packs columns [n0, n1) of one right side; n0 is a multiple of a
// panel's width.
func (k *matMulGemm) packColumns(dst, w []float32, n0, n1 int) {
	if k.transB {
		k.gemm.Pack(dst[n0*k.k:], w[n0*k.k:], n1-n0, k.k, k.k)
	} else {
		k.gemm.PackKN(dst[n0*k.k:], w[n0:], n1-n0, k.k, k.n)
	}
}

// Repack packs a changed parameter again.
func (k *matMulGemm) Repack(*Args) {
	if k.packed != nil {
		k.packAll(k.packed, f32(&k.params[len(k.params)-1]))
	}
}

func (k *matMulGemm) Run(a *Args) {
	if k.transA {
		a.Parallel(k.as, &k.turn)
	}
	if k.packed == nil {
		a.Parallel(k.bs*k.pack.parts(), &k.pack)
	}
	a.Parallel(k.products*k.cut.tasks(), k)
}

// matMulTurn turns one transposed left side.
type matMulTurn struct{ k *matMulGemm }

func (t *matMulTurn) Do(a *Args, i, _ int) {
	k := t.k
	src := argF32(a, k.params, 0)[i*k.m*k.k:]
	dst := tensor.CastSlice[float32](a.Scratch)[i*k.m*k.k:]
	for d := range k.k {
		for m, v := range src[d*k.m : (d+1)*k.m] {
			dst[m*k.k+d] = v
		}
	}
}

// matMulPack packs some columns of one right side.
type matMulPack struct{ k *matMulGemm }

func (t *matMulPack) cols() int { return 4 * t.k.gemm.NR }

func (t *matMulPack) parts() int { return (t.k.n + t.cols() - 1) / t.cols() }

func (t *matMulPack) Do(a *Args, i, _ int) {
	k := t.k
	matrix, n0 := i/t.parts(), i%t.parts()*t.cols()
	dst := tensor.CastSlice[float32](a.Scratch)[k.packAt+matrix*k.size:]
	k.packColumns(dst, argF32(a, k.params, 1)[matrix*k.k*k.n:], n0, min(k.n, n0+t.cols()))
}

// Do computes some rows and columns of one product.
func (k *matMulGemm) Do(a *Args, i, _ int) {
	product := i / k.cut.tasks()
	m0, m1, n0, n1 := k.cut.task(i%k.cut.tasks(), k.rows, k.n)
	pa, pb := k.place(0, product), k.place(1, product)
	left := argF32(a, k.params, 0)
	if k.transA {
		left = tensor.CastSlice[float32](a.Scratch)
	}
	right := k.packed
	if right == nil {
		right = tensor.CastSlice[float32](a.Scratch)[k.packAt:]
	}
	y := f32(&a.Out)[product*k.rows*k.n:]
	args := kern.GemmF32Args{
		A: left[pa*k.m*k.k:], LDA: k.k, Taps: 1, KC: k.k, B: right[pb*k.size:], N: k.n,
		C: y, LDC: k.n, Min: k.lo, Max: k.hi,
	}
	if k.late {
		args.Min, args.Max = negInf, posInf
	}
	k.gemm.Run(&args, m0, m1, n0, n1)
	if !k.late {
		return
	}
	for m := m0; m < m1; m++ {
		row := y[m*k.n+n0 : m*k.n+n1]
		if k.alpha != 1 {
			kern.BinaryScalarF32(kern.Mul, row, row, k.alpha, negInf, posInf)
		}
		unaryRow(k.act.Fn, k.act.A, k.act.B, row, row)
	}
}
