package ops

import "github.com/teff-ml/teff/ops/tensor"

// Dropout is the identity when a model infers. In a trainer, or with Training
// set, each element is dropped with probability Rate, and those that stay are
// scaled so that the expectation is x ("inverted" dropout):
//
//	y[i] = keep(i) ? x[i] / (1-Rate) : 0
//
// keep(i) depends on Args.Seed, Seed and i alone: bits of splitmix64 at
// counter i. One operand of any shape, f32.
type Dropout struct {
	Rate     float32 // in [0, 1]
	Seed     int
	Output   int  // 0 the value, 1 the mask (bool, true where kept)
	Training bool // drop even outside a trainer
}

// Kind is KindDropout.
func (*Dropout) Kind() Kind { return KindDropout }

// Fields lists the attributes.
func (d *Dropout) Fields(f Fields) {
	f.Float("rate", &d.Rate)
	f.Int("seed", &d.Seed)
	f.Int("output", &d.Output)
	f.Bool("training", &d.Training)
}

// Infer is the operand's spec, or bool for the mask.
func (d *Dropout) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindDropout, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !(d.Rate >= 0 && d.Rate <= 1) {
		return tensor.Spec{}, errf(KindDropout, "rate %v", d.Rate)
	}
	switch d.Output {
	case 0:
		return o[0], nil
	case 1:
		return tensor.Spec{DType: tensor.Bool, Shape: o[0].Shape}, nil
	}
	return tensor.Spec{}, errf(KindDropout, "output %d", d.Output)
}
