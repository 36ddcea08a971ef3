package ptq

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// product is the integer form of a convolution's or dense layer's weights.
type product struct{ weight, bias tensor.Tensor }

// maxBias leaves half of int32 to the products.
const maxBias = 1 << 30

// products quantises w ([oc, k..., icg], in groups) and the bias, which may be
// absent, for an input of scale in. mean is the input's mean by channel; the mean
// error that rounded weights make of it is taken off the bias (Nagel et al.,
// Data-free quantization, 2019); nil: left alone.
func products(w tensor.Tensor, bias []float32, groups int, in float32, mean func(c int) float64) product {
	oc := w.Shape.Dim(0)
	n := w.Shape.Elems() / max(1, oc)
	icg := w.Shape.Channels()
	ocg := max(1, oc/max(1, groups))
	f := w.F32()
	scale := make([]float32, oc)
	qw, qb := make([]int8, len(f)), make([]int32, oc)
	for o := range oc {
		row := f[o*n:][:n]
		var b, top float64
		if bias != nil {
			b = float64(bias[o])
		}
		for _, v := range row {
			top = max(top, math.Abs(float64(v)))
		}
		// A channel of next to no weight still has to hold its bias.
		s := max(top/127, math.Abs(b)/(float64(in)*maxBias), 1e-30)
		scale[o] = float32(s)
		for i, v := range row {
			q := max(-127, min(127, math.RoundToEven(float64(v)/float64(scale[o]))))
			qw[o*n+i] = int8(q)
			if mean != nil {
				b += (float64(v) - q*float64(scale[o])) * mean(o/ocg*icg+i%icg)
			}
		}
		qb[o] = int32(max(-maxBias, min(maxBias, math.RoundToEven(b/(float64(in)*float64(scale[o]))))))
	}
	p := product{weight: tensor.FromI8(qw, w.Shape.Dims()...), bias: tensor.FromI32(qb, oc)}
	p.weight.Quant = tensor.PerChannel(scale, 0)
	return p
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
