package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Where is y = cond ? a : b, element by element, with broadcasting of all
// three operands. cond is bool; a and b have one type and quantisation, any.
type Where struct{}

// Kind is KindWhere.
func (*Where) Kind() Kind { return KindWhere }

// Fields lists the attributes: none.
func (*Where) Fields(Fields) {}

// Infer is the broadcast shape, with a's type.
func (*Where) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindWhere, in, params, 3, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o[0].DType != tensor.Bool {
		return tensor.Spec{}, notShape(KindWhere, "condition", "bool", o[0].String())
	}
	if !o[1].DType.Valid() || o[1].DType != o[2].DType || !o[1].Quant.Equal(o[2].Quant) {
		return tensor.Spec{}, errf(KindWhere, "operands are %v and %v, want one type", o[1], o[2])
	}
	if len(o[1].Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindWhere, "operands have more than one scale")
	}
	s, err := tensor.Broadcast(o[1].Shape, o[2].Shape)
	if err == nil {
		s, err = tensor.Broadcast(s, o[0].Shape)
	}
	if err != nil {
		return tensor.Spec{}, errf(KindWhere, "%w", err)
	}
	return tensor.Spec{DType: o[1].DType, Shape: s, Quant: o[1].Quant}, nil
}

// Prepare has one path, which copies elements by their size.
func (*Where) Prepare(p *Prep) (Kernel, error) {
	c, _ := p.Operand(0)
	x, _ := p.Operand(1)
	y, _ := p.Operand(2)
	k := &whereKernel{params: p.Params, walk: newBcast(p.Out.Shape, c.Shape, x.Shape, y.Shape)}
	k.cut = k.walk.split(chunkElems)
	inPlaceWhereSame(p)
	p.Path("reference")
	return k, nil
}

type whereKernel struct {
	params []tensor.Tensor
	walk   *bcast
	cut    chunks
}

func (k *whereKernel) Run(a *Args) { a.Parallel(k.cut.tasks, k) }

func (k *whereKernel) Do(a *Args, task, _ int) {
	x, y := arg(a, k.params, 1), arg(a, k.params, 2)
	size := x.DType.Size()
	if size == 4 {
		k.words(a, task, tensor.CastSlice[float32](a.Out.Data), tensor.CastSlice[float32](x.Data), tensor.CastSlice[float32](y.Data))
		return
	}
	c := arg(a, k.params, 0).Data
	step := [3]int{k.walk.step(0), k.walk.step(1), k.walk.step(2)}
	r0, r1, e0, e1 := k.cut.task(k.walk, task)
	for r := r0; r < r1; r++ {
		from, to := r*k.walk.inner+e0, r*k.walk.inner+e1
		cond := c[k.walk.at(0, r)+e0*step[0]:]
		xo, yo := k.walk.at(1, r)+e0*step[1], k.walk.at(2, r)+e0*step[2]
		switch size {
		case 1:
			whereRow(a.Out.Data[from:to], cond, x.Data[xo:], y.Data[yo:], step)
		case 2:
			whereRow(tensor.CastSlice[uint16](a.Out.Data)[from:to], cond, tensor.CastSlice[uint16](x.Data)[xo:], tensor.CastSlice[uint16](y.Data)[yo:], step)
		default:
			whereRow(i64(&a.Out)[from:to], cond, i64(x)[xo:], i64(y)[yo:], step)
		}
	}
}

func whereRow[T uint8 | uint16 | int64](dst []T, c []byte, x, y []T, step [3]int) {
	sc, sx, sy := step[0], step[1], step[2]
	for i := range dst { // no branch: conditions may be random
		v := y[i*sy]
		dst[i] = v ^ (v^x[i*sx])&-T(truth(c[i*sc] != 0))
	}
}

// words chooses elements of four bytes.
func (k *whereKernel) words(a *Args, task int, out, x, y []float32) {
	c := arg(a, k.params, 0).Data
	sc := k.walk.step(0)
	r0, r1, e0, e1 := k.cut.task(k.walk, task)
	var px, py repeated
	for r := r0; r < r1; r++ {
		co := k.walk.at(0, r)
		px.set(x[k.walk.at(1, r):], k.walk.step(1))
		py.set(y[k.walk.at(2, r):], k.walk.step(2))
		for i := e0; i < e1; i += rowBuffer {
			n := min(rowBuffer, e1-i)
			dst, v, w := out[r*k.walk.inner+i:][:n], px.block(i, n), py.block(i, n)
			switch {
			case sc == 1:
				kern.WhereF32(dst, c[co+i:], v, w)
			case c[co] != 0:
				copy(dst, v)
			default:
				copy(dst, w)
			}
		}
	}
}

// Keeps is the condition.
func (*Where) Keeps(in, params []tensor.Spec) Keep { return KeepIn0 }

// Backward prepares da += the sum of dy where cond, db += the sum of the rest.
func (*Where) Backward(p *GradPrep) (GradKernel, error) {
	o := operands(p.In, Specs(p.Params))
	if o[1].DType != tensor.F32 {
		return nil, errf(KindWhere, "has no gradient on %v", o[1].DType)
	}
	k := new(whereGrad)
	for i := range k {
		k[i] = whereGradPart{i, newSumWalk(p.Out.Shape, o[1+i].Shape, o[0].Shape)}
	}
	return k, nil
}

type whereGrad [2]whereGradPart

func (k *whereGrad) Run(g *Grads) {
	for i := range k {
		if !gradOf(g, 1+i).IsZero() {
			g.Parallel(k[i].walk.tasks, &k[i])
		}
	}
}

type whereGradPart struct {
	which int // 0 a, 1 b
	walk  sumWalk
}

func (k *whereGradPart) Do(g *Grads, task, _ int) {
	w := k.walk
	d, dv, cond := g.DOut.F32(), gradOf(g, 1+k.which).F32(), gradArg(g, 0).Bools()
	for e := task * w.block; e < min(w.kept, (task+1)*w.block); e++ {
		at, sum := w.keptAt(e), 0.0
		for r := range w.repeats {
			o := w.add(at, r)
			if (cond[o[1]] != 0) == (k.which == 0) {
				sum += float64(d[o[0]])
			}
		}
		dv[e] += float32(sum)
	}
}
