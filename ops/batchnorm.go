package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// BatchNorm normalises each channel, the last dimension:
//
//	y[..., c] = (x[..., c] - mean[c]) / sqrt(var[c] + eps) * scale[c] + bias[c]
//
// Operands: x [..., c]; scale, bias, mean, var [c]. f32.
//
// When it infers, mean and var are the operands. In a trainer that does not
// freeze norms, or with Training set, they are the batch's own (var biased),
// and the running statistics move:
//
//	running = running*Momentum + batch*(1-Momentum)
//
// in a trainer in place, in the operands mean and var, by the forward run; with
// Training as outputs 1 and 2 of nodes of their own. Statistics are summed in
// float64.
type BatchNorm struct {
	Eps      float32
	Momentum float32 // of the running statistics: ONNX's sense, the part that stays
	Training bool
	Output   int  // 0 y; with Training also 1 the new running mean, 2 the new running variance
	Unbiased bool // the batch's variance enters the running one times n/(n-1), as in PyTorch
}

// ActivatedNorm is a BatchNorm and the activation behind it in one, whose gradient
// finds from the input what was cut, or how steep it was, so that no result is kept for
// it. Trainers make it of two nodes; no graph of a file has it. See FusesNorm for
// which activations it knows.
type ActivatedNorm struct {
	BatchNorm
	Act Act
}

// FusesNorm says that ActivatedNorm knows the activation.
func FusesNorm(a Act) bool {
	_, _, clamps := a.Clamp()
	return clamps || a.Fn == UnaryHardSwish || a.Fn == UnarySwish && (a.A == 0 || a.A == 1)
}

// Clamps says that the activation costs nothing to compute again.
func (b *ActivatedNorm) Clamps() bool {
	_, _, ok := b.Act.Clamp()
	return ok
}

// Prepare is BatchNorm's.
func (b *ActivatedNorm) Prepare(p *Prep) (Kernel, error) { return b.prepare(p, b.Act) }

// Backward is BatchNorm's, with dy times the activation's slope.
func (b *ActivatedNorm) Backward(p *GradPrep) (GradKernel, error) { return b.backward(p, b.Act) }

// Kind is KindBatchNorm.
func (*BatchNorm) Kind() Kind { return KindBatchNorm }

// Fields lists the attributes.
func (b *BatchNorm) Fields(f Fields) {
	f.Float("eps", &b.Eps)
	f.Float("momentum", &b.Momentum)
	f.Bool("training", &b.Training)
	f.Int("output", &b.Output)
	f.Bool("unbiased", &b.Unbiased)
}

// Infer is x's spec, or [c] for the running statistics.
func (b *BatchNorm) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindBatchNorm, in, params, 5, 5)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &o[0]
	if err := wantF32(KindBatchNorm, "input", x); err != nil {
		return tensor.Spec{}, err
	}
	if x.Shape.Rank() < 2 {
		return tensor.Spec{}, notShape(KindBatchNorm, "input", "rank 2 or more", x.Shape.String())
	}
	for i, name := range []string{"scale", "bias", "mean", "variance"} {
		if err := wantChannels(KindBatchNorm, name, &o[i+1], x.Shape.Channels()); err != nil {
			return tensor.Spec{}, err
		}
	}
	if !(b.Eps >= 0) {
		return tensor.Spec{}, errf(KindBatchNorm, "eps is %v", b.Eps)
	}
	switch {
	case b.Output == 0:
		return *x, nil
	case b.Training && (b.Output == 1 || b.Output == 2):
		return o[3], nil
	}
	return tensor.Spec{}, errf(KindBatchNorm, "output %d", b.Output)
}

// wantChannels checks an f32 operand with one value a channel.
func wantChannels(k Kind, operand string, s *tensor.Spec, n int) error {
	if s.DType != tensor.F32 || s.Shape.Rank() != 1 || s.Shape.Elems() != n {
		return notShape(k, operand, fmt.Sprintf("f32[%d]", n), s.String())
	}
	return nil
}
