package ops

import "github.com/teff-ml/teff/ops/tensor"

var coreOps = []Desc{
	{KindInput, "Input", func() Op { return new(Input) }},
	{KindConstant, "Constant", func() Op { return new(Constant) }},
}

// Input is a value the caller gives. Its spec is an attribute.
type Input struct {
	Type  OutType
	Dims  []int
	Batch bool // dimension 0 is the batch, which a session chooses
}

func (*Input) Kind() Kind { return KindInput }

func (o *Input) Fields(f Fields) {
	o.Type.fields(f)
	f.Ints("dims", &o.Dims)
	f.Bool("batch", &o.Batch)
}

// Infer is the declared spec.
func (o *Input) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	if _, err := wantOperands(KindInput, in, params, 0, 0); err != nil {
		return tensor.Spec{}, err
	}
	s, err := tensor.NewShape(o.Dims...)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !o.Type.DType.Valid() {
		return tensor.Spec{}, errf(KindInput, "element type %v", o.Type.DType)
	}
	if o.Batch && s.Rank() == 0 {
		return tensor.Spec{}, errf(KindInput, "a scalar has no batch")
	}
	return o.Type.spec(KindInput, &tensor.Spec{}, s)
}

// Prepare has nothing to compute.
func (*Input) Prepare(*Prep) (Kernel, error) { return nil, nil }

// Constant is a value known when the graph is built: its one parameter.
type Constant struct{}

func (*Constant) Kind() Kind    { return KindConstant }
func (*Constant) Fields(Fields) {}

// Infer is the parameter's spec.
func (*Constant) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	if len(in) != 0 || len(params) != 1 {
		return tensor.Spec{}, errf(KindConstant, "has %d inputs and %d parameters, want 0 and 1", len(in), len(params))
	}
	return params[0], nil
}

// Prepare has nothing to compute; a backend uses the parameter's own bytes.
func (*Constant) Prepare(*Prep) (Kernel, error) { return nil, nil }
