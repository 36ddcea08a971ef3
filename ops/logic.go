package ops

import (
	"encoding/binary"

	"github.com/teff-ml/teff/ops/tensor"
)

// LogicFn is a function of truth values. The numbers are part of the file
// format.
type LogicFn uint8

// The functions of Logic.
const (
	LogicAnd LogicFn = 0
	LogicOr  LogicFn = 1
	LogicXor LogicFn = 2
	LogicNot LogicFn = 3 // of one operand

	numLogic = 4
)

// Logic is y = fn(a, b) on bool, element by element, with broadcasting.
type Logic struct{ Fn LogicFn }

// Kind is KindLogic.
func (*Logic) Kind() Kind { return KindLogic }

// Fields lists the attributes.
func (l *Logic) Fields(f Fields) { FieldEnum(f, "fn", &l.Fn) }

// Infer is bool of the broadcast shape.
func (l *Logic) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	if l.Fn >= numLogic {
		return tensor.Spec{}, errf(KindLogic, "function %d is not known", l.Fn)
	}
	n := 2
	if l.Fn == LogicNot {
		n = 1
	}
	o, err := wantOperands(KindLogic, in, params, n, n)
	if err != nil {
		return tensor.Spec{}, err
	}
	s := o[0].Shape
	for _, t := range o {
		if t.DType != tensor.Bool {
			return tensor.Spec{}, notShape(KindLogic, "operand", "bool", t.String())
		}
		if s, err = tensor.Broadcast(s, t.Shape); err != nil {
			return tensor.Spec{}, errf(KindLogic, "%w", err)
		}
	}
	return tensor.Spec{DType: tensor.Bool, Shape: s}, nil
}

// Prepare has one path.
func (l *Logic) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	y, ok := p.Operand(1)
	if !ok {
		y = x
	}
	k := &logicKernel{fn: l.Fn, params: p.Params, walk: newBcast(p.Out.Shape, x.Shape, y.Shape)}
	inPlaceWhereSame(p)
	p.Path("reference")
	return k, nil
}

type logicKernel struct {
	fn     LogicFn
	params []tensor.Tensor
	walk   *bcast
}

func (k *logicKernel) Run(a *Args) {
	x, out := arg(a, k.params, 0).Data, a.Out.Data
	y := x
	if k.fn != LogicNot {
		y = arg(a, k.params, 1).Data
	}
	sx, sy := k.walk.step(0), k.walk.step(1)
	n := k.walk.inner
	for r := range k.walk.rows {
		xo, yo, from := k.walk.at(0, r), k.walk.at(1, r), 0
		if sx == 1 && sy == 1 {
			from = n &^ 7
			k.words(out[r*n:][:from], x[xo:], y[yo:])
		}
		for i := from; i < n; i++ {
			v, w := x[xo+i*sx] != 0, y[yo+i*sy] != 0
			switch k.fn {
			case LogicAnd:
				v = v && w
			case LogicOr:
				v = v || w
			case LogicXor:
				v = v != w
			case LogicNot:
				v = !v
			}
			out[r*n+i] = truth(v)
		}
	}
}

// words computes eight truth values at once.
func (k *logicKernel) words(out, x, y []uint8) {
	x, y = x[:len(out)], y[:len(out)]
	for len(out) >= 8 && len(x) >= 8 && len(y) >= 8 {
		v, w := truths(binary.LittleEndian.Uint64(x)), truths(binary.LittleEndian.Uint64(y))
		switch k.fn {
		case LogicAnd:
			v &= w
		case LogicOr:
			v |= w
		case LogicXor:
			v ^= w
		case LogicNot:
			v ^= eachByte
		}
		binary.LittleEndian.PutUint64(out, v)
		out, x, y = out[8:], x[8:], y[8:]
	}
}

const eachByte = 0x0101010101010101

// truths makes 1 of each byte that is not 0.
func truths(v uint64) uint64 { return ((v&(0x7f*eachByte) + 0x7f*eachByte) | v) >> 7 & eachByte }
