package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// ArgMax is the index of the largest element along Axis (the smallest with
// Min), the first of equals (the last with Last). A NaN is larger than every
// number, as in numpy (with Min: smaller). Any type but f16, bf16 and bool;
// quantised elements compare as the integers they are.
type ArgMax struct {
	Axis     int
	KeepDims bool
	Min      bool
	Last     bool
	To       tensor.DType // I64 or I32; zero means I64
}

// Kind is KindArgMax.
func (*ArgMax) Kind() Kind { return KindArgMax }

// Fields lists the attributes.
func (o *ArgMax) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	f.Bool("keep_dims", &o.KeepDims)
	f.Bool("min", &o.Min)
	f.Bool("last", &o.Last)
	FieldEnum(f, "to", &o.To)
}

// Infer is the operand's shape without Axis, of type To.
func (o *ArgMax) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	x, err := wantOperands(KindArgMax, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	s := x[0].Shape
	_, n, _, err := axisOf(KindArgMax, s, o.Axis)
	if err != nil {
		return tensor.Spec{}, err
	}
	if n == 0 {
		return tensor.Spec{}, errf(KindArgMax, "of nothing: axis %d of %v", o.Axis, s)
	}
	switch x[0].DType {
	case tensor.F32, tensor.I8, tensor.U8, tensor.I32, tensor.I64:
	default:
		return tensor.Spec{}, wantF32(KindArgMax, "input", x[0])
	}
	to := o.To
	if to == tensor.Invalid {
		to = tensor.I64
	}
	if to != tensor.I32 && to != tensor.I64 {
		return tensor.Spec{}, errf(KindArgMax, "result %v, want i32 or i64", to)
	}
	var dims []int
	for i := range s.Rank() {
		switch {
		case i != o.Axis && i != o.Axis+s.Rank():
			dims = append(dims, s.Dim(i))
		case o.KeepDims:
			dims = append(dims, 1)
		}
	}
	out, err := tensor.NewShape(dims...)
	return tensor.Spec{DType: to, Shape: out}, err
}

// Prepare has one path.
func (o *ArgMax) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	outer, n, inner, err := axisOf(KindArgMax, x.Shape, o.Axis)
	if err != nil {
		return nil, err
	}
	k := &argMaxKernel{newLines(outer, n, inner), o.Min, o.Last, false, p.Params}
	p.Path("reference")
	if k.vec = !p.Reference && x.DType == tensor.F32 && inner == 1 && n >= 8 && !o.Min && !o.Last; k.vec {
		p.Path("vec")
	}
	return k, nil
}

type argMaxKernel struct {
	lines
	min, last bool
	vec       bool // lines of float32 in one piece
	params    []tensor.Tensor
}

func (k *argMaxKernel) Run(a *Args) { a.Parallel(k.tasks(), k) }

func (k *argMaxKernel) Do(a *Args, i, _ int) {
	x := arg(a, k.params, 0)
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at, best := k.at(l), 0
		switch x.DType {
		case tensor.F32:
			if k.vec {
				best = argMaxRow(f32(x)[at:][:k.n])
				break
			}
			best = argMaxLine(k, f32(x)[at:])
		case tensor.I32:
			best = argMaxLine(k, i32(x)[at:])
		case tensor.I64:
			best = argMaxLine(k, i64(x)[at:])
		case tensor.I8:
			best = argMaxLine(k, x.I8()[at:])
		case tensor.U8:
			best = argMaxLine(k, x.U8()[at:])
		}
		setInt(&a.Out, l, int64(best))
	}
}

// argMaxRow is the place of a row's largest element: the first that equals it, or the
// first NaN, which the sum of the row shows (as it does opposite infinities).
func argMaxRow(x []float32) int {
	if sum := kern.SumF32(x); sum != sum {
		if i := slices.IndexFunc(x, func(v float32) bool { return v != v }); i >= 0 {
			return i
		}
	}
	return slices.Index(x, kern.MaxOfF32(x))
}

func argMaxLine[T float32 | int32 | int64 | int8 | uint8](k *argMaxKernel, x []T) (best int) {
	top := x[0]
	for i := 1; i < k.n; i++ {
		v := x[i*k.inner]
		switch {
		case top != top: // a NaN stays, or moves to a later one
			if !k.last || v == v {
				continue
			}
		case v != v, !k.min && v > top, k.min && v < top:
		case v == top && k.last:
		default:
			continue
		}
		best, top = i, v
	}
	return best
}
