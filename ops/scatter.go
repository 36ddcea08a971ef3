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
	x, idx, up := &s[0], &s[1], &s[2]
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
		return *x, nil
	}
	if idx.Shape.Rank() == 0 || idx.Shape.Dim(-1) > x.Shape.Rank() {
		return tensor.Spec{}, bad
	}
	depth := idx.Shape.Dim(-1)
	want, err := tensor.NewShape(append(idx.Shape.Dims()[:idx.Shape.Rank()-1], x.Shape.Dims()[depth:]...)...)
	if err != nil || want != up.Shape {
		return tensor.Spec{}, bad
	}
	return *x, nil
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
	p.InPlace(0)
	p.Path("scatter")
	return o.kernel(x, idx, p.Params), nil
}

func (o *Scatter) kernel(x, idx *tensor.Spec, params []tensor.Tensor) *scatterKernel {
	k := &scatterKernel{op: *o, params: params, inner: 1}
	k.axis, _ = normAxis(o.Axis, x.Shape.Rank())
	if o.ND {
		k.depth = idx.Shape.Dim(-1)
		for i := k.depth; i < x.Shape.Rank(); i++ {
			k.inner *= x.Shape.Dim(i)
		}
	}
	return k
}

func (k *scatterKernel) Run(a *Args) {
	x, idx, up := arg(a, k.params, 0), arg(a, k.params, 1), arg(a, k.params, 2)
	copy(a.Out.Data, x.Data)
	n, size, run := up.Shape.Elems(), x.DType.Size(), 1
	if k.op.ND {
		run = k.inner
	}
	var room [elementBlock]int
	for i := 0; i < n; {
		var places []int
		if k.op.ND {
			places = room[:min(elementBlock, (n-i)/run)]
			k.slices(places, x.Shape, idx, i/run)
		} else {
			places = elementPlaces(room[:], x.Shape, idx, i, k.axis)
		}
		if k.op.Fn == ScatterSet {
			moveRuns(a.Out.Data, up.Data[i*size:], places, size, run*size, true)
		} else {
			k.combine(f32(&a.Out), f32(up)[i:], places, run)
		}
		i += len(places) * run
	}
}

// slices is where the slices of x start that slices i and later of the updates go to.
func (k *scatterKernel) slices(places []int, x tensor.Shape, idx *tensor.Tensor, i int) {
	clear(places)
	step := k.inner
	for d := k.depth - 1; d >= 0; d-- {
		addIndices(places, idx, i*k.depth+d, k.depth, x.Dim(d), step, 0)
		step *= x.Dim(d)
	}
}

// combine lets runs of updates meet what is there.
func (k *scatterKernel) combine(y, up []float32, places []int, run int) {
	fn := [...]BinaryFn{ScatterAdd: BinaryAdd, ScatterMul: BinaryMul, ScatterMax: BinaryMax, ScatterMin: BinaryMin}[k.op.Fn]
	for _, at := range places {
		for j, v := range up[:run] {
			y[at+j] = binaryScalar(fn, y[at+j], v)
		}
		up = up[run:]
	}
}

// Keeps is the indices.
func (*Scatter) Keeps(in, params []tensor.Spec) Keep { return KeepIn1 }

// Backward passes the gradient on to the updates that were written last, or
// were added, and to the data where it is still seen.
func (o *Scatter) Backward(p *GradPrep) (GradKernel, error) {
	if o.Fn != ScatterSet && o.Fn != ScatterAdd || p.Out.DType != tensor.F32 {
		return nil, errf(KindScatter, "has no gradient with function %d on %v", o.Fn, p.Out.DType)
	}
	all := operands(p.In, Specs(p.Params))
	return &scatterGrad{o.kernel(&all[0], &all[1], p.Params)}, nil
}

type scatterGrad struct{ *scatterKernel }

func (k *scatterGrad) Run(g *Grads) {
	dy, idx, up := g.DOut.F32(), gradArg(g, 1), gradOf(g, 2)
	n := gradArg(g, 2).Shape.Elems()
	for i := n - 1; i >= 0; i-- {
		at := 0
		if k.op.ND {
			var slice [1]int
			k.slices(slice[:], g.DOut.Shape, idx, i/k.inner)
			at = slice[0] + i%k.inner
		} else {
			at = elementAt(g.DOut.Shape, idx, i, k.axis)
		}
		if !up.IsZero() {
			up.F32()[i] += dy[at]
		}
		if k.op.Fn == ScatterSet {
			dy[at] = 0 // an earlier update or the data was not seen
		}
	}
	if d := gradOf(g, 0); !d.IsZero() {
		addInto(d.F32(), dy)
	}
}
