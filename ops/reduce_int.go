package ops

import "github.com/teff-ml/teff/ops/tensor"

// Reductions of integers: sums of (x - zx) in int32, requantised by sx/sy, or
// by sx/(sy*count) for the mean as XNNPACK does (see qmath.go); the largest
// and the smallest are found among the integers.

// prepareInt is Prepare for an 8-bit input.
func (r *Reduce) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	for i, s := range []*tensor.Spec{x, &p.Out} {
		if err := wantAffine(KindReduce, [...]string{"input", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	if r.Fn > ReduceMin {
		return nil, errf(KindReduce, "function %d has no integer form", r.Fn)
	}
	reduced, _, err := r.resolve(x.Shape)
	if err != nil {
		return nil, err
	}
	k := &reduceAxesInt{params: p.Params, fn: r.Fn, rank: x.Shape.Rank(), x: newQ8(x), elems: x.Shape.Elems(), out: p.Out.Shape.Elems()}
	step := 1
	for i := k.rank - 1; i >= 0; i-- {
		k.dim[i] = x.Shape.Dim(i)
		if !reduced[i] {
			k.step[i] = step
			step *= k.dim[i]
		}
	}
	sx, _ := x.Quant.At(0)
	sy, zy := p.Out.Quant.At(0)
	k.scale, k.zy = sx/sy, zy
	if r.Fn == ReduceMean && k.out > 0 {
		k.scale = sx / float32(sy*float32(k.elems/k.out))
	}
	k.same = (r.Fn == ReduceMax || r.Fn == ReduceMin) && x.Quant.Equal(p.Out.Quant) && x.DType == p.Out.DType
	lo, hi := tensor.IntRange(p.Out.DType)
	k.lo, k.hi = int32(lo), int32(hi)
	p.NeedScratch(4 * k.out)
	p.Path("reference/int")
	return k, nil
}

// reduceAxesInt walks the input once and gathers each result in scratch.
type reduceAxesInt struct {
	params     []tensor.Tensor
	fn         ReduceFn
	rank       int
	dim, step  [tensor.MaxRank]int // extents of x, and its steps in the result: 0 where reduced
	x          q8
	elems, out int
	scale      float32
	same       bool
	zy, lo, hi int32
}

func (k *reduceAxesInt) Run(a *Args) {
	x, acc := arg(a, k.params, 0).Data, tensor.CastSlice[int32](a.Scratch[:4*k.out])
	start := int32(0)
	switch k.fn {
	case ReduceMax:
		start = -1 << 16
	case ReduceMin:
		start = 1 << 16
	}
	for i := range acc {
		acc[i] = start
	}
	for i, b := range x[:k.elems] {
		o := 0
		for d := k.rank - 1; d >= 0; d-- {
			o += i % k.dim[d] * k.step[d]
			i /= k.dim[d]
		}
		switch v := k.x.at(b); k.fn {
		case ReduceMax:
			acc[o] = max(acc[o], v)
		case ReduceMin:
			acc[o] = min(acc[o], v)
		default:
			acc[o] += v
		}
	}
	for i, v := range acc {
		if k.same {
			a.Out.Data[i] = byte(v + k.zy)
			continue
		}
		a.Out.Data[i] = byte(requantize(v, k.scale, k.zy, k.lo, k.hi))
	}
}
