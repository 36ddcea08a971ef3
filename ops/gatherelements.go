package ops

import "github.com/teff-ml/teff/ops/tensor"

// GatherElements picks one element for each index: along Axis,
// y[i][j] = x[idx[i][j]][j]. Other dimensions of the indices are at most x's.
type GatherElements struct{ Axis int }

// Kind is KindGatherElements.
func (*GatherElements) Kind() Kind { return KindGatherElements }

// Fields lists the attributes.
func (o *GatherElements) Fields(f Fields) { f.Int("axis", &o.Axis) }

// Infer is the shape of the indices.
func (o *GatherElements) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindGatherElements, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := wantIndices(KindGatherElements, &s[1]); err != nil {
		return tensor.Spec{}, err
	}
	axis, ok := normAxis(o.Axis, s[0].Shape.Rank())
	if !ok || s[1].Shape.Rank() != s[0].Shape.Rank() {
		return tensor.Spec{}, errf(KindGatherElements, "axis %d, indices %v of %v", o.Axis, s[1].Shape, s[0].Shape)
	}
	for i := range s[0].Shape.Rank() {
		if i != axis && s[1].Shape.Dim(i) > s[0].Shape.Dim(i) || s[0].Shape.Dim(axis) == 0 {
			return tensor.Spec{}, errf(KindGatherElements, "indices %v of %v", s[1].Shape, s[0].Shape)
		}
	}
	return tensor.Spec{DType: s[0].DType, Shape: s[1].Shape, Quant: s[0].Quant}, nil
}

// Prepare has one path.
func (o *GatherElements) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	axis, _ := normAxis(o.Axis, x.Shape.Rank())
	p.Path("copy")
	return &gatherElementsKernel{p.Params, axis}, nil
}

type gatherElementsKernel struct {
	params []tensor.Tensor
	axis   int
}

func (k *gatherElementsKernel) Run(a *Args) {
	x, idx := arg(a, k.params, 0), arg(a, k.params, 1)
	size := x.DType.Size()
	var room [elementBlock]int
	for i := 0; i < idx.Shape.Elems(); {
		places := elementPlaces(room[:], x.Shape, idx, i, k.axis)
		moveRuns(a.Out.Data[i*size:], x.Data, places, size, size, false)
		i += len(places)
	}
}

// elementBlock is how many places are found at once.
const elementBlock = 256

// elementPlaces is the places in a tensor of shape x that elements of the indices, from i
// on, name along axis: as many as there are in a row and in room.
func elementPlaces(room []int, x tensor.Shape, idx *tensor.Tensor, i, axis int) []int {
	n, last := idx.Shape.Dim(-1), x.Rank()-1
	room = room[:min(len(room), n-i%n)]
	at, next, step, stride, rest := i%n, 1, 1, 1, i/n
	if axis == last {
		at, next = 0, 0
	}
	for d := last; d >= 0; d-- {
		if d == axis {
			step = stride
		} else if d < last {
			at += rest % idx.Shape.Dim(d) * stride
		}
		if d < last {
			rest /= idx.Shape.Dim(d)
		}
		stride *= x.Dim(d)
	}
	for e := range room {
		room[e] = at
	}
	addIndices(room, idx, i, 1, x.Dim(axis), step, next)
	return room
}

// elementAt is the place in a tensor of shape x that element i of the indices
// names along axis.
func elementAt(x tensor.Shape, idx *tensor.Tensor, i, axis int) int {
	st, rest, at := x.Strides(), i, 0
	for d := x.Rank() - 1; d >= 0; d-- {
		j := rest % idx.Shape.Dim(d)
		rest /= idx.Shape.Dim(d)
		if d == axis {
			j = indexAt(idx, i, x.Dim(d))
		}
		at += j * st[d]
	}
	return at
}

// Keeps is the indices.
func (*GatherElements) Keeps(in, params []tensor.Spec) Keep { return KeepIn1 }

// Backward adds each element's gradient where it was picked.
func (o *GatherElements) Backward(p *GradPrep) (GradKernel, error) {
	axis, _ := normAxis(o.Axis, p.In[0].Shape.Rank())
	return &gatherElementsGrad{axis}, nil
}

type gatherElementsGrad struct{ axis int }

func (k *gatherElementsGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	idx := gradArg(g, 1)
	dx := g.DIn[0].F32()
	for i, v := range g.DOut.F32() {
		dx[elementAt(g.DIn[0].Shape, idx, i, k.axis)] += v
	}
}
