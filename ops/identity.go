package ops

import "github.com/teff-ml/teff/ops/tensor"

// Identity is its input.
type Identity struct{}

// Kind is KindIdentity.
func (*Identity) Kind() Kind { return KindIdentity }

// Fields lists no attributes.
func (*Identity) Fields(Fields) {}

// Infer is the input's spec.
func (*Identity) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindIdentity, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	return o[0], nil
}

// Prepare has nothing to compute: the result is a view.
func (*Identity) Prepare(p *Prep) (Kernel, error) { return prepareView(p) }

// Keeps is nothing.
func (*Identity) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward passes the gradient on.
func (*Identity) Backward(p *GradPrep) (GradKernel, error) { return newPassGrad(p), nil }
