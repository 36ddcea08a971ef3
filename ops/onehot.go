package ops

import "github.com/teff-ml/teff/ops/tensor"

// OneHot replaces each index by a vector of Depth elements along Axis that is
// Off but for an On at the index (negative ones count from the end; others
// outside give all Off). Operands: indices (i32, i64 or f32), and values
// [off, on] of the result's type.
type OneHot struct{ Depth, Axis int }

// Kind is KindOneHot.
func (*OneHot) Kind() Kind { return KindOneHot }

// Fields lists the attributes.
func (o *OneHot) Fields(f Fields) {
	f.Int("depth", &o.Depth)
	f.Int("axis", &o.Axis)
}

// Infer inserts the new dimension.
func (o *OneHot) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindOneHot, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	axis, ok := normAxis(o.Axis, s[0].Shape.Rank()+1)
	if !ok || o.Depth < 1 || s[1].Shape.Elems() != 2 {
		return tensor.Spec{}, errf(KindOneHot, "depth %d, axis %d, values %v for %v", o.Depth, o.Axis, s[1], s[0])
	}
	switch s[0].DType {
	case tensor.I32, tensor.I64, tensor.F32:
	default:
		return tensor.Spec{}, notShape(KindOneHot, "indices", "i32, i64 or f32", s[0].String())
	}
	d := s[0].Shape.Dims()
	dims := append(append(append([]int{}, d[:axis]...), o.Depth), d[axis:]...)
	shape, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindOneHot, "%w", err)
	}
	return tensor.Spec{DType: s[1].DType, Shape: shape}, nil
}

type oneHotKernel struct {
	params       []tensor.Tensor
	depth, inner int
}

// Prepare writes element by element.
func (o *OneHot) Prepare(p *Prep) (Kernel, error) {
	axis, _ := normAxis(o.Axis, p.Out.Shape.Rank())
	k := &oneHotKernel{params: p.Params, depth: o.Depth, inner: 1}
	for i := axis + 1; i < p.Out.Shape.Rank(); i++ {
		k.inner *= p.Out.Shape.Dim(i)
	}
	p.Path("copy")
	return k, nil
}

func (k *oneHotKernel) Run(a *Args) {
	idx, values := arg(a, k.params, 0), arg(a, k.params, 1)
	size := values.DType.Size()
	for i := range idx.Shape.Elems() {
		var v int
		switch idx.DType {
		case tensor.I32:
			v = int(i32(idx)[i])
		case tensor.I64:
			v = int(i64(idx)[i])
		default:
			v = int(f32(idx)[i])
		}
		if v < 0 {
			v += k.depth
		}
		for d := range k.depth {
			on := 0
			if d == v {
				on = 1
			}
			at := (i/k.inner*k.depth+d)*k.inner + i%k.inner
			copy(a.Out.Data[at*size:][:size], values.Data[on*size:])
		}
	}
}
