package ptq

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq/moments"
)

// product is the integer form of a convolution's or dense layer's weights.
type product struct{ weight, bias tensor.Tensor }

// maxBias leaves half of int32 to the products.
const maxBias = 1 << 30

// products quantises w ([oc, k..., icg], in groups) and the bias, which may be
// absent, for an input of scale in. Weights are rounded by what was seen of the
// input; nil: each to what is next. mean is the input's mean by channel; the mean
// error that rounded weights make is taken off the bias (Nagel et al., Data-free
// quantization, 2019); nil: left alone.
func products(w tensor.Tensor, bias []float32, groups int, in float32, mean func(c int) float64, seen *moments.Product) product {
	oc := w.Shape.Dim(0)
	n := w.Shape.Elems() / max(1, oc)
	f := w.F32()
	scale := make([]float32, oc)
	b := make([]float64, oc)
	for o := range oc {
		var top float64
		if bias != nil {
			b[o] = float64(bias[o])
		}
		for _, v := range f[o*n:][:n] {
			top = max(top, math.Abs(float64(v)))
		}
		// A channel of next to no weight still has to hold its bias.
		scale[o] = float32(max(top/127, math.Abs(b[o])/(float64(in)*maxBias), 1e-30))
	}
	var q []int8
	if seen != nil {
		q = seen.Round(scale, 127, 0)
	} else {
		q = nearest(f, scale)
	}
	qb := make([]int32, oc)
	icg, ocg := w.Shape.Channels(), max(1, oc/max(1, groups))
	for o := range oc {
		now := func(i int) float64 { return float64(q[o*n+i]) * float64(scale[o]) }
		switch {
		case mean == nil:
		case seen != nil:
			b[o] -= seen.Shift(o, now)
		default:
			for i, v := range f[o*n:][:n] {
				b[o] += (float64(v) - now(i)) * mean(o/ocg*icg+i%icg)
			}
		}
		qb[o] = int32(max(-maxBias, min(maxBias, math.RoundToEven(b[o]/(float64(in)*float64(scale[o]))))))
	}
	p := product{weight: tensor.FromI8(q, w.Shape.Dims()...), bias: tensor.FromI32(qb, oc)}
	p.weight.Quant = tensor.PerChannel(scale, 0)
	return p
}

// transposed is products for a transposed convolution's weights, [ic, k...,
// oc/groups]: a scale for each output channel, or with groups one for all, each
// weight to what is next.
func transposed(w tensor.Tensor, bias []float32, groups int, in float32) product {
	ocg := w.Shape.Channels()
	oc := ocg * groups
	f := w.F32()
	scale := make([]float32, ocg)
	for i, v := range f {
		scale[i%ocg] = max(scale[i%ocg], float32(math.Abs(float64(v))/127))
	}
	at := func(o int) float64 {
		if bias == nil {
			return 0
		}
		return float64(bias[o])
	}
	for o := range oc {
		scale[o%ocg] = max(scale[o%ocg], float32(math.Abs(at(o))/(float64(in)*maxBias)), 1e-30)
	}
	if groups > 1 {
		top := slices.Max(scale)
		for i := range scale {
			scale[i] = top
		}
	}
	q, qb := make([]int8, len(f)), make([]int32, oc)
	for i, v := range f {
		q[i] = int8(max(-127, min(127, math.RoundToEven(float64(v)/float64(scale[i%ocg])))))
	}
	for o := range qb {
		qb[o] = int32(max(-maxBias, min(maxBias, math.RoundToEven(at(o)/(float64(in)*float64(scale[o%ocg]))))))
	}
	p := product{weight: tensor.FromI8(q, w.Shape.Dims()...), bias: tensor.FromI32(qb, oc)}
	p.weight.Quant = tensor.PerChannel(scale, w.Shape.Rank()-1)
	if groups > 1 {
		p.weight.Quant = tensor.Affine(scale[0], 0)
	}
	return p
}

// nearest rounds w, rows that have a step each.
func nearest(w, step []float32) []int8 {
	q := make([]int8, len(w))
	n := len(w) / max(1, len(step))
	for i, v := range w {
		q[i] = int8(max(-127, min(127, math.RoundToEven(float64(v)/float64(step[i/n])))))
	}
	return q
}

// constant is an operand known now in int8 or, unsigned, uint8, with one scale.
func constant(t tensor.Tensor, unsigned bool) tensor.Tensor {
	var lo, hi float64
	for _, v := range t.F32() {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	scale, zero := affine(lo, hi)
	q := make([]int8, t.Shape.Elems())
	for i, v := range t.F32() {
		q[i] = int8(max(-128, min(127, math.RoundToEven(float64(v)/float64(scale))+float64(zero))))
	}
	c := tensor.FromI8(q, t.Shape.Dims()...)
	c.Quant = tensor.Affine(scale, zero)
	if unsigned {
		for i := range c.Data {
			c.Data[i] ^= 0x80
		}
		c.DType, c.Quant = tensor.U8, tensor.Affine(scale, zero+128)
	}
	return c
}
