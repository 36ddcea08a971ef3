package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Integer operators follow XNNPACK's arithmetic bit for bit, the rule that
// TFLite networks meet on the machines they are made for. Sums are int32 and
// wrap; a sum becomes a result by one float32 product:
//
//	q = clamp(roundHalfEven(float32(acc) * scale) + zero, lo, hi)
//	scale = float32(in*weight) / out, each step rounded to float32
//
// Operators that XNNPACK leaves to TFLite's own kernels (average pooling,
// softmax, concatenation) follow those; each says so in its file.

// requantScale is the factor from a sum of products to result units.
func requantScale(in, weight, out float32) float32 { return float32(in*weight) / out }

// requantize turns a sum into a result, limited to [lo, hi].
func requantize(acc int32, scale float32, zero, lo, hi int32) int32 {
	return roundClamp(float32(acc)*scale, zero, lo, hi)
}

// roundClamp is clamp(roundHalfEven(v)+zero, lo, hi). Clamping first keeps a
// v far outside from overflowing.
func roundClamp(v float32, zero, lo, hi int32) int32 {
	r := math.RoundToEven(float64(v))
	if top := float64(hi) - float64(zero); r > top {
		r = top
	}
	if !(r >= float64(lo)-float64(zero)) { // or a NaN, from an infinite scale
		return lo
	}
	return int32(r) + zero
}

// requant is how one result tensor is stored: per-channel scales, zero point
// and limits.
type requant struct {
	scale        []float32 // one, or one a channel
	zero, lo, hi int32
}

// apply turns the sum of channel c into the byte to store.
func (r *requant) apply(acc int32, c int) byte {
	if len(r.scale) == 1 {
		c = 0
	}
	return byte(requantize(acc, r.scale[c], r.zero, r.lo, r.hi))
}

// newRequant is the requantisation of sums of x*w into out, limited by act.
func newRequant(k Kind, x, w, out *tensor.Spec, act Act) (requant, error) {
	xs, _ := x.Quant.At(0)
	ys, yz := out.Quant.At(0)
	r := requant{zero: yz}
	for _, s := range w.Quant.Scale {
		r.scale = append(r.scale, requantScale(xs, s, ys))
	}
	lo, hi := tensor.IntRange(out.DType)
	var err error
	if r.lo, r.hi, err = act.quantLimits(ys, yz, lo, hi); err != nil {
		return r, errf(k, "%v", err)
	}
	return r, nil
}

// q8 reads the elements of an 8-bit tensor as numbers with their zero point
// taken off. Stored as two's complement, signed and unsigned results are the
// same byte, so only reading needs to know.
type q8 struct {
	signed bool
	zero   int32
}

func newQ8(s *tensor.Spec) q8 {
	q := q8{signed: s.DType == tensor.I8}
	if !s.Quant.IsZero() {
		_, q.zero = s.Quant.At(0)
	}
	return q
}

// at is the number that byte b stands for, in units of the scale.
func (q q8) at(b byte) int32 { return q.raw(b) - q.zero }

// raw is the stored integer.
func (q q8) raw(b byte) int32 {
	if q.signed {
		return int32(int8(b))
	}
	return int32(b)
}

// wantAffine checks that an operand or result is 8-bit with one scale, not 0.
func wantAffine(k Kind, operand string, s *tensor.Spec) error {
	if !s.DType.IsInt8() || !s.Quant.PerTensor() || s.Quant.Scale[0] <= 0 {
		return notShape(k, operand, "i8 or u8 with one scale", s.String())
	}
	return nil
}

// checkProducts checks the operands of an integer convolution or dense layer:
// x and out have one scale, w one or one for each of its rows (dimension 0),
// bias is int32.
func checkProducts(k Kind, x, w, out, bias *tensor.Spec, act Act) error {
	if err := wantAffine(k, "input", x); err != nil {
		return err
	}
	if err := wantAffine(k, "output", out); err != nil {
		return err
	}
	if n := len(w.Quant.Scale); !w.DType.IsInt8() || n == 0 || (n > 1 && (w.Quant.Axis != 0 || n != w.Shape.Dim(0))) {
		return notShape(k, "weight", "i8 or u8 with one scale, or one for each output channel", w.String())
	}
	if bias != nil && bias.DType != tensor.I32 {
		return notShape(k, "bias", "i32", bias.String())
	}
	_, err := newRequant(k, x, w, out, act)
	return err
}

// zeroOf is the zero point of row c of a weight.
func zeroOf(w *tensor.Spec, c int) int32 {
	if w.Quant.IsZero() {
		return 0
	}
	_, z := w.Quant.At(c)
	return z
}
