package ops

import "github.com/teff-ml/teff/ops/tensor"

// ScatterFn is how an update meets what is there.
type ScatterFn uint8

// The ways: replace, or combine.
const (
	ScatterSet ScatterFn = 0
	ScatterAdd ScatterFn = 1
	ScatterMul ScatterFn = 2
	ScatterMax ScatterFn = 3
	ScatterMin ScatterFn = 4
)

// Scatter is a copy of its first operand with updates written where indices
// say: element by element along Axis (ONNX's ScatterElements), or with ND whole
// slices addressed by the last dimension of the indices (ScatterND). Operands:
// data, indices (i32 or i64), updates.
type Scatter struct {
	Axis int
	ND   bool
	Fn   ScatterFn
}

// Kind is KindScatter.
func (*Scatter) Kind() Kind { return KindScatter }

// Fields lists the attributes.
func (o *Scatter) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	f.Bool("nd", &o.ND)
	FieldEnum(f, "fn", &o.Fn)
}

// Infer is the data's spec.
func (o *Scatter) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindScatter, in, params, 3, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	x, idx, up := s[0], s[1], s[2]
	if err := wantIndices(KindScatter, idx); err != nil {
		return tensor.Spec{}, err
	}
	bad := errf(KindScatter, "indices %v and updates %v for %v", idx.Shape, up, x)
	if up.DType != x.DType || o.Fn > ScatterMin || o.Fn != ScatterSet && x.DType != tensor.F32 || x.Shape.Elems() == 0 {
		return tensor.Spec{}, bad
	}
	if !o.ND {
		axis, ok := normAxis(o.Axis, x.Shape.Rank())
		if !ok || idx.Shape != up.Shape || idx.Shape.Rank() != x.Shape.Rank() {
			return tensor.Spec{}, bad
		}
		for i := range x.Shape.Rank() {
			if i != axis && idx.Shape.Dim(i) > x.Shape.Dim(i) {
				return tensor.Spec{}, bad
			}
		}
		return x, nil
	}
	if idx.Shape.Rank() == 0 || idx.Shape.Dim(-1) > x.Shape.Rank() {
		return tensor.Spec{}, bad
	}
	depth := idx.Shape.Dim(-1)
	want, err := tensor.NewShape(append(idx.Shape.Dims()[:idx.Shape.Rank()-1], x.Shape.Dims()[depth:]...)...)
	if err != nil || want != up.Shape {
		return tensor.Spec{}, bad
	}
	return x, nil
}

type scatterKernel struct {
	op     Scatter
	params []tensor.Tensor
	axis   int
	depth  int // indices of a slice
	inner  int // elements of a slice
}

// Prepare writes in order, so the last of two updates to one place wins.
func (o *Scatter) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	idx, _ := p.Operand(1)
	k := &scatterKernel{op: *o, params: p.Params, inner: 1}
	k.axis, _ = normAxis(o.Axis, x.Shape.Rank())
	if o.ND {
		k.depth = idx.Shape.Dim(-1)
		for i := k.depth; i < x.Shape.Rank(); i++ {
			k.inner *= x.Shape.Dim(i)
		}
	}
	p.InPlace(0)
	p.Path("scatter")
	return k, nil
}

func (k *scatterKernel) Run(a *Args) {
	x, idx, up := arg(a, k.params, 0), arg(a, k.params, 1), arg(a, k.params, 2)
	copy(a.Out.Data, x.Data)
	if !k.op.ND {
		for i := range up.Shape.Elems() {
			k.set(a.Out, elementAt(x.Shape, idx, i, k.axis), up, i)
		}
		return
	}
	st := x.Shape.Strides()
	for i := range up.Shape.Elems() / max(1, k.inner) {
		at := 0
		for d := range k.depth {
			at += indexAt(idx, i*k.depth+d, x.Shape.Dim(d)) * st[d]
		}
		for j := range k.inner {
			k.set(a.Out, at+j, up, i*k.inner+j)
		}
	}
}

func (k *scatterKernel) set(y tensor.Tensor, at int, up tensor.Tensor, i int) {
	if k.op.Fn == ScatterSet {
		size := y.DType.Size()
		copy(y.Data[at*size:][:size], up.Data[i*size:])
		return
	}
	p, v := &y.F32()[at], up.F32()[i]
	switch k.op.Fn {
	case ScatterAdd:
		*p += v
	case ScatterMul:
		*p *= v
	case ScatterMax:
		*p = max(*p, v)
	case ScatterMin:
		*p = min(*p, v)
	}
}
