package ops

import "github.com/teff-ml/teff/ops/tensor"

// Concat joins its operands along Axis. Operands have equal extents elsewhere.
// Quantised operands whose scale or zero point differ from the result's are
// requantised.
type Concat struct {
	Axis int // negative counts from the end
	Out  OutType
}

// Kind is KindConcat.
func (*Concat) Kind() Kind { return KindConcat }

// Fields lists the attributes.
func (c *Concat) Fields(f Fields) {
	f.Int("axis", &c.Axis)
	c.Out.fields(f)
}

// Infer adds up the extents along the axis.
func (c *Concat) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindConcat, in, params, 1, 1<<16)
	if err != nil {
		return tensor.Spec{}, err
	}
	axis, ok := normAxis(c.Axis, o[0].Shape.Rank())
	if !ok {
		return tensor.Spec{}, errf(KindConcat, "axis %d of %v", c.Axis, o[0].Shape)
	}
	dims := o[0].Shape.Dims()
	for i, s := range o[1:] {
		if s.Shape.Rank() != len(dims) || s.DType != o[0].DType {
			return tensor.Spec{}, errf(KindConcat, "operand %d is %v, the first is %v", i+1, s, o[0])
		}
		for d := range dims {
			if d != axis && s.Shape.Dim(d) != dims[d] {
				return tensor.Spec{}, errf(KindConcat, "operand %d is %v, the first is %v", i+1, s, o[0])
			}
		}
		dims[axis] += s.Shape.Dim(axis)
	}
	s, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindConcat, "%w", err)
	}
	return c.Out.spec(KindConcat, &o[0], s)
}

// Prepare copies runs of bytes, or requantises.
func (c *Concat) Prepare(p *Prep) (Kernel, error) {
	for _, s := range operands(p.In, Specs(p.Params)) {
		if !s.Quant.Equal(p.Out.Quant) {
			return c.prepareInt(p)
		}
	}
	p.Path("copy")
	k := c.kernel(&p.Out, operands(p.In, Specs(p.Params)), p.Params)
	if k.outer > 1 {
		k.tasks = min(k.outer, parts(byteMACs*p.Out.Bytes(), taskMACs, max(1, p.Threads)))
	}
	return k, nil
}

func (c *Concat) kernel(out *tensor.Spec, o []tensor.Spec, params []tensor.Tensor) *concatKernel {
	axis, _ := normAxis(c.Axis, out.Shape.Rank())
	k := &concatKernel{params: params, outer: 1, size: out.DType.Size()}
	inner := 1
	for i := range out.Shape.Rank() {
		if i < axis {
			k.outer *= out.Shape.Dim(i)
		} else if i > axis {
			inner *= out.Shape.Dim(i)
		}
	}
	for _, s := range o {
		k.runs = append(k.runs, s.Shape.Dim(axis)*inner)
	}
	k.pitch = out.Shape.Dim(axis) * inner
	return k
}

type concatKernel struct {
	params      []tensor.Tensor
	runs        []int // elements of one run of each operand
	outer, size int
	pitch       int // elements of one run of the result
	tasks       int // parts of outer; 0: an operand each
}

func (k *concatKernel) Run(a *Args) {
	if k.tasks > 0 {
		a.Parallel(k.tasks, k)
	} else {
		a.Parallel(len(k.runs), k)
	}
}

// Do copies part i of all operands, or all of operand i.
func (k *concatKernel) Do(a *Args, i, _ int) {
	from, to := 0, k.outer
	if k.tasks > 0 {
		from, to = k.outer*i/k.tasks, k.outer*(i+1)/k.tasks
	}
	at := 0
	for j, run := range k.runs {
		run *= k.size
		if k.tasks > 0 || i == j {
			src, dst := arg(a, k.params, j).Data, a.Out.Data[at:]
			for o := from; o < to; o++ {
				copy(dst[o*k.pitch*k.size:][:run], src[o*run:])
			}
		}
		at += run
	}
}
