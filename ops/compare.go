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

// Prepare has one path.
func (c *Compare) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	y, _ := p.Operand(1)
	k := &compareKernel{fn: c.Fn, params: p.Params, walk: newBcast(p.Out.Shape, x.Shape, y.Shape)}
	k.cut = k.walk.split(chunkElems)
	inPlaceWhereSame(p)
	p.Path("reference")
	return k, nil
}

type compareKernel struct {
	fn     CompareFn
	params []tensor.Tensor
	walk   bcast
	cut    chunks
}

func (k *compareKernel) Run(a *Args) { a.Parallel(k.cut.tasks, k) }

func (k *compareKernel) Do(a *Args, i, _ int) {
	r0, r1, e0, e1 := k.cut.task(&k.walk, i)
	x, y, out := arg(a, k.params, 0), arg(a, k.params, 1), a.Out.Bools()
	sx, sy := k.walk.step(0), k.walk.step(1)
	for r := r0; r < r1; r++ {
		xo, yo := k.walk.at(0, r)+e0*sx, k.walk.at(1, r)+e0*sy
		dst := out[r*k.walk.inner+e0 : r*k.walk.inner+e1]
		switch x.DType {
		case tensor.F32:
			if greater := k.fn == CompareGreater; sx == 1 && sy == 0 && len(dst) > 0 && (greater || k.fn == CompareLess) {
				compareNumber(greater, dst, f32(x)[xo:], f32(y)[yo])
				continue
			}
			xs, ys := f32(x)[xo:], f32(y)[yo:]
			for i := range dst {
				dst[i] = compared(k.fn, xs[i*sx], ys[i*sy])
			}
		default:
			for i := range dst {
				dst[i] = compared(k.fn, int64At(x, xo+i*sx), int64At(y, yo+i*sy))
			}
		}
	}
}

func compared[T float32 | int64](fn CompareFn, v, w T) uint8 {
	switch fn {
	case CompareEqual:
		return truth(v == w)
	case CompareLess:
		return truth(v < w)
	case CompareLessEqual:
		return truth(v <= w)
	case CompareGreater:
		return truth(v > w)
	case CompareGreaterEqual:
		return truth(v >= w)
	}
	return truth(v != w)
}

// compareNumber is whether each of a row is greater, or less, than a number.
func compareNumber(greater bool, dst []uint8, x []float32, w float32) {
	if greater {
		for i := range dst {
			dst[i] = truth(x[i] > w)
		}
		return
	}
	for i := range dst {
		dst[i] = truth(x[i] < w)
	}
}

func truth(on bool) uint8 {
	if on {
		return 1
	}
	return 0
}
