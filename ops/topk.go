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
		return tensor.Spec{}, wantF32(KindTopK, "input", x[0])
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
