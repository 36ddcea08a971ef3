package ops

import "github.com/teff-ml/teff/ops/tensor"

// LRN is local response normalisation across channels, the last dimension:
//
//	y[c] = x[c] / (Bias + Alpha/Size * sum over c' of x[c']²) ^ Beta
//
// with c' from c - (Size-1)/2 to c + Size/2, inside the channels. One operand,
// f32. (TFLite's operator does not divide Alpha by Size: its importer
// multiplies.)
type LRN struct {
	Size              int
	Alpha, Beta, Bias float32
}

// Kind is KindLRN.
func (*LRN) Kind() Kind { return KindLRN }

// Fields lists the attributes.
func (o *LRN) Fields(f Fields) {
	f.Int("size", &o.Size)
	f.Float("alpha", &o.Alpha)
	f.Float("beta", &o.Beta)
	f.Float("bias", &o.Bias)
}

// Infer is the operand's spec.
func (o *LRN) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindLRN, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o.Size < 1 {
		return tensor.Spec{}, errf(KindLRN, "size %d", o.Size)
	}
	if s[0].Shape.Rank() < 1 {
		return tensor.Spec{}, &ShapeError{KindLRN, "input", "rank 1 or more", s[0].Shape.String()}
	}
	return s[0], wantF32(KindLRN, "input", s[0])
}
