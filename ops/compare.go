package ops

import "github.com/teff-ml/teff/ops/tensor"

// CompareFn is a comparison of two numbers. The numbers are part of the file
// format.
type CompareFn uint8

// The comparisons.
const (
	CompareEqual        CompareFn = 0
	CompareLess         CompareFn = 1
	CompareLessEqual    CompareFn = 2
	CompareGreater      CompareFn = 3
	CompareGreaterEqual CompareFn = 4
	CompareNotEqual     CompareFn = 5

	numCompare = 6
)

// Compare is y = fn(a, b) as bool, element by element, with broadcasting. The
// operands have one type: any but f16 and bf16, and for quantised ones one
// quantisation.
type Compare struct{ Fn CompareFn }

// Kind is KindCompare.
func (*Compare) Kind() Kind { return KindCompare }

// Fields lists the attributes.
func (c *Compare) Fields(f Fields) { FieldEnum(f, "fn", &c.Fn) }

// Infer is bool of the broadcast shape.
func (c *Compare) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindCompare, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	if c.Fn >= numCompare {
		return tensor.Spec{}, errf(KindCompare, "function %d is not known", c.Fn)
	}
	if o[0].DType != o[1].DType || !o[0].Quant.Equal(o[1].Quant) {
		return tensor.Spec{}, errf(KindCompare, "operands are %v and %v, want one type", o[0], o[1])
	}
	if d := o[0].DType; !d.Valid() || d == tensor.F16 || d == tensor.BF16 {
		return tensor.Spec{}, wantF32(KindCompare, "operand 0", o[0])
	}
	s, err := tensor.Broadcast(o[0].Shape, o[1].Shape)
	if err != nil {
		return tensor.Spec{}, errf(KindCompare, "%w", err)
	}
	return tensor.Spec{DType: tensor.Bool, Shape: s}, nil
}
