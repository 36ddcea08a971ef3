package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

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
		return tensor.Spec{}, wantF32(KindCompare, "operand 0", &o[0])
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
	k.vec = !p.Reference && x.DType == tensor.F32 && k.walk.inner >= reduceLine
	k.cut = k.walk.split(chunkElems)
	inPlaceWhereSame(p)
	p.Path("reference")
	if k.vec {
		p.Path("vec")
	}
	return k, nil
}

type compareKernel struct {
	fn     CompareFn
	vec    bool
	params []tensor.Tensor
	walk   *bcast
	cut    chunks
}

func (k *compareKernel) Run(a *Args) { a.Parallel(k.cut.tasks, k) }

func (k *compareKernel) Do(a *Args, i, _ int) {
	r0, r1, e0, e1 := k.cut.task(k.walk, i)
	x, y, out := arg(a, k.params, 0), arg(a, k.params, 1), a.Out.Data
	sx, sy := k.walk.step(0), k.walk.step(1)
	for r := r0; r < r1; r++ {
		xo, yo := k.walk.at(0, r)+e0*sx, k.walk.at(1, r)+e0*sy
		dst := out[r*k.walk.inner+e0 : r*k.walk.inner+e1]
		switch x.DType {
		case tensor.F32:
			xs, ys := f32(x)[xo:], f32(y)[yo:]
			if k.vec {
				compareRow(k.fn, dst, xs, ys, sx, sy)
				continue
			}
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

// compareRow compares rows, of which one may be a number.
func compareRow(fn CompareFn, dst []uint8, x, y []float32, sx, sy int) {
	c := kern.Equal
	switch fn {
	case CompareLess, CompareGreater:
		c = kern.Less
	case CompareLessEqual, CompareGreaterEqual:
		c = kern.AtMost
	case CompareNotEqual:
		c = kern.Different
	}
	if fn == CompareGreater || fn == CompareGreaterEqual {
		x, y, sx, sy = y, x, sy, sx
	}
	var px, py repeated
	px.set(x, sx)
	py.set(y, sy)
	for i := 0; i < len(dst); i += rowBuffer {
		n := min(rowBuffer, len(dst)-i)
		kern.CompareF32(c, dst[i:i+n], px.block(i, n), py.block(i, n))
	}
}

// repeated is a row of float32 (or of anything of its size) as one of many elements, which
// are one again and again where step is 0.
type repeated struct {
	row  []float32
	step int
	buf  [rowBuffer]float32
}

//go:noinline
func (p *repeated) set(row []float32, step int) {
	p.row, p.step = row, step
	for i := range p.buf {
		if step == 0 {
			p.buf[i] = row[0]
		}
	}
}

// block is n elements from i on, n at most rowBuffer.
//
//go:noinline
func (p *repeated) block(i, n int) []float32 {
	if p.step == 0 {
		return p.buf[:n]
	}
	return p.row[i : i+n]
}

func truth(on bool) uint8 {
	if on {
		return 1
	}
	return 0
}
