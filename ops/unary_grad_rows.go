package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is the result where the gradient can be told from it, which lets the
// operand's memory go; else the operand.
func (u *Unary) Keeps(in, params []tensor.Spec) Keep {
	switch {
	case u.Fn.constGrad():
		return KeepNone
	case u.gradFromOut():
		return KeepOut
	}
	return KeepIn0
}

// Backward prepares dx += dy * fn'(x).
func (u *Unary) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if x.DType != tensor.F32 {
		return nil, errf(KindUnary, "has no gradient on %v", x.DType)
	}
	k := &unaryGrad{op: u, n: x.Shape.Elems(), fromOut: u.gradFromOut(), reference: p.Reference}
	if !u.Fn.constGrad() {
		k.sets = p.replaces(0)
		k.shares = p.Shares() == 0
	}
	return k, nil
}

type unaryGrad struct {
	op        *Unary
	n         int
	fromOut   bool
	reference bool
	sets      bool // the gradient is set, not added to
	shares    bool // and lies where that of the result does
}

func (k *unaryGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel((k.n+chunkElems-1)/chunkElems, k)
	}
}

func (k *unaryGrad) clamp(dx, d, at []float32, lo, hi float32) {
	if !k.sets {
		kern.AddMaskedF32(dx, d, at, lo, hi)
		return
	}
	if !k.shares {
		copy(dx, d)
	}
	kern.MaskF32(dx, at, lo, hi)
}

func (k *unaryGrad) Do(g *Grads, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	d, dx := g.DOut.F32()[from:to], gradOf(g, 0).F32()[from:to]
	fn := k.op.Fn
	switch {
	case fn == UnaryNone:
		addInto(dx, d)
		return
	case fn.constGrad():
		if fn == UnaryNeg {
			kern.AxpyF32(dx, d, -1, 1)
		}
		return
	}
	v := &g.Out
	if !k.fromOut {
		v = gradArg(g, 0)
	}
	at := v.F32()[from:to]
	switch fn {
	case UnaryRelu:
		k.clamp(dx, d, at, 0, posInf)
		return
	case UnaryClip:
		k.clamp(dx, d, at, k.op.A, k.op.B)
		return
	}
	var room [rowBuffer]float32
	for len(dx) > 0 {
		n := min(len(dx), rowBuffer)
		row := room[:n]
		if k.sets {
			row = dx[:n]
		}
		if k.reference || !k.op.gradRow(row, d[:n], at[:n]) {
			k.plain(row, d, at)
		}
		if !k.sets {
			kern.AxpyF32(dx[:n], row, 1, 1)
		}
		dx, d, at = dx[n:], d[n:], at[n:]
	}
}

// plain is the definition.
func (k *unaryGrad) plain(dst, d, at []float32) {
	fn, a, b := k.op.Fn, float64(k.op.A), float64(k.op.B)
	for i := range dst {
		v, slope := float64(at[i]), 0.0
		if k.fromOut {
			slope = unarySlopeOut(fn, a, b, v)
		} else {
			slope = unarySlope(fn, a, b, v)
		}
		dst[i] = float32(float64(d[i]) * slope)
	}
}

// rowBuffer is the elements that row functions of several steps work on at
// once, in memory of the stack.
const rowBuffer = 256

// gradRow sets dst, which may be d, to d times the slope, of at most rowBuffer
// elements, and reports whether there is a vector form. at is the result where the slope
// is told from it, else the operand.
func (u *Unary) gradRow(dst, d, at []float32) bool {
	var buf [rowBuffer]float32
	s := buf[:len(dst)]
	switch u.Fn {
	case UnarySigmoid: // y - y*y
		kern.BinaryScalarF32(kern.RSub, s, at, 1, negInf, posInf)
		kern.BinaryF32(kern.Mul, s, s, at, negInf, posInf)
	case UnaryTanh:
		kern.BinaryF32(kern.Mul, s, at, at, negInf, posInf)
		kern.BinaryScalarF32(kern.RSub, s, s, 1, negInf, posInf)
	case UnaryExp:
		s = at
	case UnaryHardSigmoid:
		kern.BinaryScalarF32(kern.Mul, dst, d, u.A, negInf, posInf)
		kern.MaskF32(dst, at, 0, 1)
		return true
	case UnaryLeakyRelu:
		if !u.gradFromOut() {
			return false
		}
		kern.BinaryScalarF32(kern.Mul, s, d, u.A, negInf, posInf)
		kern.MaskF32(s, at, negInf, 0)
		copy(dst, d)
		kern.MaskF32(dst, at, -math.SmallestNonzeroFloat32, posInf)
		kern.BinaryF32(kern.Add, dst, dst, s, negInf, posInf)
		return true
	case UnaryHardSwish:
		if kern.SlopeF32(kern.SlopeHardSwish, dst, d, at) {
			return true
		}
		kern.BinaryScalarF32(kern.Mul, s, at, 1.0/6, negInf, posInf)
		kern.MaskF32(s, at, -3, 3)
		var y [rowBuffer]float32
		kern.HardSigmoidF32(y[:len(s)], at, 1.0/6, 0.5)
		kern.BinaryF32(kern.Add, s, s, y[:len(s)], negInf, posInf)
	case UnarySwish:
		if u.A != 0 && u.A != 1 {
			return false
		}
		if kern.SlopeF32(kern.SlopeSwish, dst, d, at) {
			return true
		}
		kern.SigmoidF32(s, at)
		for i, v := range s {
			s[i] = v * (1 + at[i]*(1-v))
		}
	case UnaryGelu:
		f := kern.SlopeGelu
		if u.A == 1 {
			f = kern.SlopeGeluTanh
		}
		if kern.SlopeF32(f, dst, d, at) {
			return true
		}
		geluSlope(u.A == 1, s, at)
	default:
		return false
	}
	kern.BinaryF32(kern.Mul, dst, d, s, negInf, posInf)
	return true
}

// geluSlope is the slope of Gelu; see geluRow.
func geluSlope(tanh bool, e, x []float32) {
	if tanh {
		geluTanhRow(e, x)
		for i, t := range e {
			v := x[i]
			e[i] = 0.5*(1+t) + 0.5*v*(1-t*t)*float32(0.7978845608)*(1+float32(3*0.044715)*v*v)
		}
		return
	}
	gaussRow(e, x)
	for i, g := range e {
		v := x[i]
		below := 0.5 + float32(math.Copysign(float64(0.5-normalTail(v, g)), float64(v)))
		e[i] = below + v*g*float32(0.3989422804)
	}
}
