package ops

import "github.com/teff-ml/teff/ops/tensor"

// NLLLoss is the negative log likelihood of scores that are log probabilities
// already: loss = -w[label] * x[label]. Operands, reductions and ignored labels
// are those of SoftmaxCrossEntropy.
type NLLLoss struct {
	Axis        int // of the classes; 0 means the last
	Reduction   Reduction
	IgnoreIndex int
	HasIgnore   bool
}

// Kind is KindNLLLoss.
func (*NLLLoss) Kind() Kind { return KindNLLLoss }

// Fields lists the attributes.
func (o *NLLLoss) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	FieldEnum(f, "reduction", &o.Reduction)
	f.Int("ignore_index", &o.IgnoreIndex)
	f.Bool("has_ignore", &o.HasIgnore)
}

// Infer is a scalar, or the labels' shape for LossNone.
func (o *NLLLoss) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	c, _, err := resolveClasses(KindNLLLoss, in, params, o.Axis)
	if err != nil {
		return tensor.Spec{}, err
	}
	return o.Reduction.spec(KindNLLLoss, c.labels)
}
