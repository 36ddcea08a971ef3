package ops

import "github.com/teff-ml/teff/ops/tensor"

// Softmax is, along Axis,
//
//	y[i] = exp(beta*(x[i]-max)) / sum over j of exp(beta*(x[j]-max))
//
// or its logarithm with Log. With Flatten, dimensions from Axis on count as
// one (ONNX before opset 13). f32, or quantised i8 and u8. The reference is
// computed in float64.
type Softmax struct {
	Axis    int // negative counts from the end
	Log     bool
	Flatten bool
	Beta    float32 // 0 means 1
	Out     OutType // of the integer form
}

// Kind is KindSoftmax.
func (*Softmax) Kind() Kind { return KindSoftmax }

// Fields lists the attributes.
func (s *Softmax) Fields(f Fields) {
	f.Int("axis", &s.Axis)
	f.Bool("log", &s.Log)
	f.Bool("flatten", &s.Flatten)
	f.Float("beta", &s.Beta)
	s.Out.fields(f)
}

// Infer is the operand's shape.
func (s *Softmax) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindSoftmax, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if _, _, _, err := s.lines(o[0].Shape); err != nil {
		return tensor.Spec{}, err
	}
	if !isQuantised(o[0]) {
		if err := wantF32(KindSoftmax, "input", o[0]); err != nil {
			return tensor.Spec{}, err
		}
	}
	if s.Beta != s.Beta {
		return tensor.Spec{}, errf(KindSoftmax, "beta is NaN")
	}
	return s.Out.sameType(KindSoftmax, o[0], o[0].Shape)
}

// lines splits the shape into outer * n * inner, the softmax running over n.
func (s *Softmax) lines(shape tensor.Shape) (outer, n, inner int, err error) {
	if outer, n, inner, err = axisOf(KindSoftmax, shape, s.Axis); err == nil && s.Flatten {
		n, inner = n*inner, 1
	}
	return outer, n, inner, err
}

func (s *Softmax) beta() float32 {
	if s.Beta == 0 {
		return 1
	}
	return s.Beta
}
