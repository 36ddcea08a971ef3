package ops

import "github.com/teff-ml/teff/ops/tensor"

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
