package ops

import "github.com/teff-ml/teff/ops/tensor"

// TopK is the K largest elements along Axis (the smallest with Smallest), in
// order, or where they were. Of equal elements the one with the lower index
// comes first; a NaN counts as larger than every number. f32, i32, i64, or
// quantised i8 and u8 as the integers they are.
type TopK struct {
	K        int
	Axis     int
	Smallest bool
	Unsorted bool // the caller does not care for the order; it is sorted all the same
	Output   int  // 0 the values, 1 their indices (i64)
}

// Kind is KindTopK.
func (*TopK) Kind() Kind { return KindTopK }

// Fields lists the attributes.
func (o *TopK) Fields(f Fields) {
	f.Int("k", &o.K)
	f.Int("axis", &o.Axis)
	f.Bool("smallest", &o.Smallest)
	f.Bool("unsorted", &o.Unsorted)
	f.Int("output", &o.Output)
}

// Infer is the operand's shape with K along Axis.
func (o *TopK) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	x, err := wantOperands(KindTopK, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	_, n, _, err := axisOf(KindTopK, x[0].Shape, o.Axis)
	if err != nil {
		return tensor.Spec{}, err
	}
	if x[0].Shape.Rank() == 0 {
		return tensor.Spec{}, errf(KindTopK, "of a scalar")
	}
	if o.K < 0 || o.K > n {
		return tensor.Spec{}, errf(KindTopK, "%d of %d elements", o.K, n)
	}
	switch x[0].DType {
	case tensor.F32, tensor.I8, tensor.U8, tensor.I32, tensor.I64:
	default:
		return tensor.Spec{}, wantF32(KindTopK, "input", &x[0])
	}
	if len(x[0].Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindTopK, "input has more than one scale")
	}
	out := tensor.Spec{DType: x[0].DType, Shape: x[0].Shape.With(o.Axis, o.K), Quant: x[0].Quant}
	switch o.Output {
	case 0:
	case 1:
		out.DType, out.Quant = tensor.I64, tensor.Quant{}
	default:
		return tensor.Spec{}, errf(KindTopK, "output %d", o.Output)
	}
	return out, nil
}

// Prepare has one path: a sorted list of the best so far.
func (o *TopK) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	k, err := o.newKernel(x.Shape, p.Params)
	if err != nil {
		return nil, err
	}
	p.NeedScratch(k.per * max(1, p.Threads) * 4)
	p.Path("reference")
	return k, nil
}

func (o *TopK) newKernel(s tensor.Shape, params []tensor.Tensor) (*topKKernel, error) {
	outer, n, inner, err := axisOf(KindTopK, s, o.Axis)
	return &topKKernel{newLines(outer, n, inner), o.K, roundUp(o.K, 16), o.Smallest, o.Output == 1, params}, err
}

type topKKernel struct {
	lines
	k, per   int // elements wanted; int32 of one worker's list
	smallest bool
	indices  bool
	params   []tensor.Tensor
}

func (k *topKKernel) Run(a *Args) { a.Parallel(k.tasks(), k) }

func (k *topKKernel) Do(a *Args, i, worker int) {
	x := arg(a, k.params, 0)
	list := tensor.CastSlice[int32](a.Scratch)[worker*k.per:][:k.k]
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at, out := k.at(l), l/k.inner*k.k*k.inner+l%k.inner
		k.find(x, at, list)
		for j, best := range list {
			o, from := out+j*k.inner, at+int(best)*k.inner
			switch {
			case k.indices:
				i64(&a.Out)[o] = int64(best)
			case x.DType == tensor.F32:
				f32(&a.Out)[o] = f32(x)[from]
			default:
				setInt(&a.Out, o, int64At(x, from))
			}
		}
	}
}

// find fills list with where the best elements of a line are.
func (k *topKKernel) find(x *tensor.Tensor, at int, list []int32) {
	switch x.DType {
	case tensor.F32:
		topKLine(k, f32(x)[at:], list)
	case tensor.I32:
		topKLine(k, i32(x)[at:], list)
	case tensor.I64:
		topKLine(k, i64(x)[at:], list)
	case tensor.I8:
		topKLine(k, x.I8()[at:], list)
	case tensor.U8:
		topKLine(k, x.U8()[at:], list)
	}
}

func topKLine[T float32 | int32 | int64 | int8 | uint8](k *topKKernel, x []T, list []int32) {
	if len(list) == 0 {
		return
	}
	have := 0
	for i := range k.n {
		v := x[i*k.inner]
		if have == len(list) && !better(k.smallest, v, x[int(list[have-1])*k.inner]) {
			continue
		}
		// After all that are as good: equal elements keep their order.
		lo, hi := 0, have
		for lo < hi {
			m := (lo + hi) / 2
			if better(k.smallest, v, x[int(list[m])*k.inner]) {
				hi = m
			} else {
				lo = m + 1
			}
		}
		have = min(have+1, len(list))
		copy(list[lo+1:have], list[lo:])
		list[lo] = int32(i)
	}
}

// better reports whether v comes before w; a NaN is larger than all numbers.
func better[T float32 | int32 | int64 | int8 | uint8](smallest bool, v, w T) bool {
	if smallest {
		v, w = w, v
	}
	return v > w || v != v && w == w
}

// Keeps is the operand, in which the places are found again.
func (*TopK) Keeps(in, params []tensor.Spec) Keep { return KeepIn0 }

// Backward prepares dx[place of y] += dy.
func (o *TopK) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if o.Output != 0 || x.DType != tensor.F32 {
		return nil, errf(KindTopK, "has no gradient for output %d on %v", o.Output, x.DType)
	}
	k, err := o.newKernel(x.Shape, nil)
	if err != nil {
		return nil, err
	}
	p.NeedScratch(k.per * max(1, p.Threads) * 4)
	return &topKGrad{k}, nil
}

type topKGrad struct{ k *topKKernel }

func (t *topKGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(t.k.tasks(), t)
	}
}

func (t *topKGrad) Do(g *Grads, i, worker int) {
	k := t.k
	list := tensor.CastSlice[int32](g.Scratch)[worker*k.per:][:k.k]
	d, dx := g.DOut.F32(), gradOf(g, 0).F32()
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at, out := k.at(l), l/k.inner*k.k*k.inner+l%k.inner
		k.find(gradArg(g, 0), at, list)
		for j, best := range list {
			dx[at+int(best)*k.inner] += d[out+j*k.inner]
		}
	}
}
