package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Elementwise operations on quantised operands that broadcast.
//
// Add and Sub follow XNNPACK: both operands are scaled to a common fixed point
// of 20 to 21 bits and the sum is rounded half up:
//
//	shift = 20 - exponent(max(sa, sb)/sy)
//	ma    = roundHalfEven(sa/sy * 2^shift), mb likewise (negative for Sub)
//	y     = clamp(((a-za)*ma + (b-zb)*mb + 2^(shift-1)) >> shift + zy)
//
// Mul is a product of one term (see qmath.go). Everything else is computed in
// float32 and rounded half to even.

// prepareInt is Prepare for 8-bit operands.
func (b *Binary) prepareInt(p *Prep) (Kernel, error) {
	as, _ := p.Operand(0)
	bs, _ := p.Operand(1)
	for i, s := range []*tensor.Spec{as, bs, &p.Out} {
		if err := wantAffine(KindBinary, [...]string{"operand 0", "operand 1", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	sa, za := as.Quant.At(0)
	sb, zb := bs.Quant.At(0)
	sy, zy := p.Out.Quant.At(0)
	lo, hi := tensor.IntRange(p.Out.DType)
	k := &binaryInt{params: p.Params, fn: b.Fn, a: newQ8(as), b: newQ8(bs), walk: newBcast(p.Out.Shape, as.Shape, bs.Shape)}
	var err error
	if k.lo, k.hi, err = b.Act.quantLimits(sy, zy, lo, hi); err != nil {
		return nil, errf(KindBinary, "%v", err)
	}
	k.a.zero, k.b.zero, k.zero = za, zb, zy
	k.sa, k.sb, k.sy = sa, sb, sy
	k.cut = k.walk.split(4 * chunkElems)
	inPlaceWhereSame(p)
	switch b.Fn {
	case BinaryAdd, BinarySub:
		k.fixed = k.setFixed(sa/sy, sb/sy)
	case BinaryMul:
		k.scale = requantScale(sa, sb, sy)
	case BinaryDiv, BinaryMin, BinaryMax, BinaryPow, BinarySquaredDiff:
	default:
		return nil, errf(KindBinary, "function %d has no integer form", b.Fn)
	}
	k.path(p)
	return k, nil
}

// path says whether rows are for vectors.
func (k *binaryInt) path(p *Prep) {
	k.vectors = !p.Reference && k.walk.step(0) == 1 && k.walk.step(1) == 1 && (k.fixed || k.fn == BinaryMul)
	if !k.vectors {
		p.Path("reference/int")
		return
	}
	p.Path("vector/int")
	k.add = kern.AddI8Args{XSigned: k.a.signed, YSigned: k.b.signed, MX: k.ma, MY: k.mb, Bias: k.bias, Shift: k.shift, Zero: k.zero, Lo: k.lo, Hi: k.hi}
	k.add.Prepare()
	k.mul = kern.MulI8Args{
		XSigned: k.a.signed, YSigned: k.b.signed, XZero: k.a.zero, YZero: k.b.zero,
		Scale: k.scale, Zero: k.zero, Lo: k.lo, Hi: k.hi,
	}
}

type binaryInt struct {
	params       []tensor.Tensor
	fn           BinaryFn
	a, b         q8
	walk         *bcast
	zero, lo, hi int32
	sa, sb, sy   float32
	scale        float32 // of Mul
	fixed        bool    // Add and Sub in fixed point:
	ma, mb, bias int32
	shift        uint
	cut          chunks
	vectors      bool
	add          kern.AddI8Args
	mul          kern.MulI8Args
}

// setFixed finds the fixed point multipliers for scale ratios ra and rb. It is
// false for ratios that XNNPACK does not take.
func (k *binaryInt) setFixed(ra, rb float32) bool {
	m := max(ra, rb)
	if !(m >= 1.0/1024 && m < 256) {
		return false
	}
	exp := int(math.Float32bits(m)>>23) - 127
	k.shift = uint(20 - exp)
	k.ma = int32(math.RoundToEven(math.Ldexp(float64(ra), int(k.shift))))
	k.mb = int32(math.RoundToEven(math.Ldexp(float64(rb), int(k.shift))))
	if k.fn == BinarySub {
		k.mb = -k.mb
	}
	k.bias = 1<<(k.shift-1) - k.ma*k.a.zero - k.mb*k.b.zero
	return true
}

func (k *binaryInt) Run(r *Args) { r.Parallel(k.cut.tasks, k) }

// Do computes some rows, or a part of one.
func (k *binaryInt) Do(r *Args, i, _ int) {
	a, b, y := arg(r, k.params, 0).Data, arg(r, k.params, 1).Data, r.Out.Data
	da, db := k.walk.step(0), k.walk.step(1)
	r0, r1, e0, e1 := k.cut.task(k.walk, i)
	for row := r0; row < r1; row++ {
		ia, ib := k.walk.at(0, row)+e0*da, k.walk.at(1, row)+e0*db
		to := y[row*k.walk.inner+e0 : row*k.walk.inner+e1]
		switch {
		case k.vectors && k.fixed:
			kern.AddI8(to, a[ia:ia+len(to)], b[ib:ib+len(to)], &k.add)
		case k.vectors:
			kern.MulI8(to, a[ia:ia+len(to)], b[ib:ib+len(to)], &k.mul)
		default:
			for j := range to {
				to[j] = byte(k.one(a[ia+j*da], b[ib+j*db]))
			}
		}
	}
}

// one is the operation on one pair.
func (k *binaryInt) one(a, b byte) int32 {
	switch {
	case k.fixed:
		v := (k.bias+k.a.raw(a)*k.ma+k.b.raw(b)*k.mb)>>k.shift + k.zero
		return min(max(v, k.lo), k.hi)
	case k.fn == BinaryMul:
		return requantize(k.a.at(a)*k.b.at(b), k.scale, k.zero, k.lo, k.hi)
	}
	x, y := k.sa*float32(k.a.at(a)), k.sb*float32(k.b.at(b))
	var v float32
	switch k.fn {
	case BinaryAdd:
		v = x + y
	case BinarySub:
		v = x - y
	case BinaryDiv:
		v = x / y
	case BinaryMin:
		v = min(x, y)
	case BinaryMax:
		v = max(x, y)
	case BinaryPow:
		v = float32(math.Pow(float64(x), float64(y)))
	case BinarySquaredDiff:
		v = (x - y) * (x - y)
	}
	return roundClamp(v/k.sy, k.zero, k.lo, k.hi)
}
