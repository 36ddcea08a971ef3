package ops

import (
	"encoding/binary"
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Quantize turns numbers into integers.
//
//	y = clamp(roundHalfEven(x / scale) + zero)
//
// Operands: x, f32 or 8-bit. Without more, Out says type, scale and zero
// point, and an 8-bit x is rescaled by XNNPACK's rule: the ratio of the scales
// in 1/256, half up. Or, as ONNX has it: x in f32, scale, and optionally the
// zero point of the result's type, each one value or one for each index of
// Axis; the result's spec then has no quantisation, for it may differ from run
// to run.
type Quantize struct {
	Out  OutType // DType may be absent with a zero point operand
	Axis int
}

// Kind is KindQuantize.
func (*Quantize) Kind() Kind { return KindQuantize }

// Fields lists the attributes.
func (q *Quantize) Fields(f Fields) {
	q.Out.fields(f)
	f.Int("axis", &q.Axis)
}

// Infer is the shape of x in the integer type.
func (q *Quantize) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindQuantize, in, params, 1, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	if len(in) == 0 {
		return tensor.Spec{}, errf(KindQuantize, "the value to quantise must be an input")
	}
	x := &o[0]
	if len(o) == 1 {
		if x.DType != tensor.F32 {
			if err := wantAffine(KindQuantize, "input", x); err != nil {
				return tensor.Spec{}, err
			}
		}
		out, err := q.Out.spec(KindQuantize, x, x.Shape)
		if err != nil {
			return out, err
		}
		return out, wantAffine(KindQuantize, "output", &out)
	}
	if x.DType != tensor.F32 {
		return tensor.Spec{}, errf(KindQuantize, "input is %v, want f32", x.DType)
	}
	n := 1
	if o[1].Shape.Elems() != 1 {
		if _, n, _, err = axisOf(KindQuantize, x.Shape, q.Axis); err != nil {
			return tensor.Spec{}, err
		}
	}
	if err := checkScale(KindQuantize, "scale", &o[1], n); err != nil {
		return tensor.Spec{}, err
	}
	d := q.Out.DType
	if d == tensor.Invalid {
		d = tensor.U8
		if len(o) == 3 {
			d = o[2].DType
		}
	}
	if len(o) == 3 {
		if err := checkZero(KindQuantize, "zero point", &o[2], d, n); err != nil {
			return tensor.Spec{}, err
		}
	}
	if !d.IsInt8() {
		return tensor.Spec{}, errf(KindQuantize, "output is %v, want i8 or u8", d)
	}
	return tensor.Spec{DType: d, Shape: x.Shape}, nil
}

// Prepare has one path for each form.
func (q *Quantize) Prepare(p *Prep) (Kernel, error) {
	p.Path("reference")
	lo, hi := tensor.IntRange(p.Out.DType)
	x, _ := p.Operand(0)
	if len(p.In)+len(p.Params) > 1 {
		scale, _ := p.Operand(1)
		k := &quantizeOperands{params: p.Params, outer: 1, n: 1, inner: x.Shape.Elems(), lo: int32(lo), hi: int32(hi)}
		if scale.Shape.Elems() != 1 {
			var err error
			if k.outer, k.n, k.inner, err = axisOf(KindQuantize, x.Shape, q.Axis); err != nil {
				return nil, err
			}
		}
		return k, nil
	}
	scale, zero := p.Out.Quant.At(0)
	if x.DType == tensor.F32 {
		if !p.Reference {
			p.Path("vector")
		}
		return &quantizeFixed{scale, zero, int32(lo), int32(hi), p.Reference}, nil
	}
	if len(p.In) == 1 {
		p.InPlace(0)
	}
	k := newRescale(x, &p.Out)
	if !p.Reference && k.flips() {
		p.Path("flip")
		return signFlip{}, nil
	}
	return k, nil
}

// quantizeFixed has scale and zero point from the attributes.
type quantizeFixed struct {
	scale        float32
	zero, lo, hi int32
	plain        bool
}

func (k *quantizeFixed) Run(a *Args) {
	if !k.plain {
		a.Parallel((len(a.Out.Data)+quantizePart-1)/quantizePart, k)
		return
	}
	for i, v := range f32(&a.In[0]) {
		a.Out.Data[i] = byte(roundClamp(v/k.scale, k.zero, k.lo, k.hi))
	}
}

// quantizePart is the elements of a task.
const quantizePart = chunkElems

// Do computes a part.
func (k *quantizeFixed) Do(a *Args, i, _ int) {
	y := a.Out.Data[i*quantizePart : min(len(a.Out.Data), (i+1)*quantizePart)]
	kern.QuantizeI8(y, f32(&a.In[0])[i*quantizePart:], k.scale, k.zero, k.lo, k.hi)
}

// quantizeOperands has them as operands.
type quantizeOperands struct {
	params          []tensor.Tensor
	outer, n, inner int
	lo, hi          int32
}

func (k *quantizeOperands) Run(a *Args) {
	x, scale, zero := argF32(a, k.params, 0), arg(a, k.params, 1), optional(a, k.params, 2)
	i := 0
	for range k.outer {
		for c := range k.n {
			s, z := scaleAt(scale, c), zeroAt(zero, c)
			for range k.inner {
				a.Out.Data[i] = byte(roundClamp(x[i]/s, z, k.lo, k.hi))
				i++
			}
		}
	}
}

// lut maps each of the 256 bytes of an 8-bit tensor to another: the form of
// every function of one 8-bit number.
type lut struct {
	table [256]byte
}

// newLUT tabulates f, which is given the stored integer of x.
//
//go:noinline
func newLUT(x *tensor.Spec, f func(q int32) int32) *lut {
	k := new(lut)
	r := q8{signed: x.DType == tensor.I8}
	for b := range k.table {
		k.table[b] = byte(f(r.raw(byte(b))))
	}
	return k
}

// newRealLUT tabulates a function of the real numbers that the integers stand
// for, in float32, rounded half to even.
func newRealLUT(x, out *tensor.Spec, f func(v float32) float32) *lut {
	xs, xz := x.Quant.At(0)
	ys, yz := out.Quant.At(0)
	lo, hi := tensor.IntRange(out.DType)
	return newLUT(x, func(q int32) int32 {
		return roundClamp(f(xs*float32(q-xz))/ys, yz, int32(lo), int32(hi))
	})
}

// newRescale is the change of an 8-bit tensor's scale and zero point.
func newRescale(x, out *tensor.Spec) *lut {
	xs, xz := x.Quant.At(0)
	ys, yz := out.Quant.At(0)
	lo, hi := tensor.IntRange(out.DType)
	ratio := xs / ys
	if ratio < 1.0/256 || ratio > 128 { // XNNPACK takes none of these
		return newRealLUT(x, out, func(v float32) float32 { return v })
	}
	m := int32(math.RoundToEven(float64(256 * ratio)))
	return newLUT(x, func(q int32) int32 {
		return min(max(((q-xz)*m+128)>>8+yz, int32(lo)), int32(hi))
	})
}

// flips says that the table only changes top bits: between signed and unsigned numbers 128 apart.
func (k *lut) flips() bool {
	for b, v := range k.table {
		if v != byte(b)^0x80 {
			return false
		}
	}
	return true
}

// signFlip is that table.
type signFlip struct{}

func (signFlip) Run(a *Args) {
	x, y := a.In[0].Data, a.Out.Data
	i := 0
	for ; i+8 <= len(y); i += 8 {
		binary.LittleEndian.PutUint64(y[i:], binary.LittleEndian.Uint64(x[i:])^0x8080808080808080)
	}
	for ; i < len(y); i++ {
		y[i] = x[i] ^ 0x80
	}
}

func (k *lut) Run(a *Args) { a.Parallel((len(a.Out.Data)+lutPart-1)/lutPart, k) }

// lutPart is bytes that are looked up by one thread: some microseconds of work.
const lutPart = 64 << 10

func (k *lut) Do(a *Args, i, _ int) {
	y := a.Out.Data[i*lutPart:]
	n := min(len(y), lutPart)
	kern.Lookup(y, a.In[0].Data[i*lutPart:], &k.table, 1, n, n, n)
}
