package cuda

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// intConv is what an integer convolution's kernels take beside its window.
type intConv struct {
	w, b   tensor.Tensor // b may be none
	oc, k  int
	raw    int // x's zero point as it is stored
	zx, zw int // zx of conv_i8; zw of weights as i8
	flip   bool
	xs, ys float32
}

func newIntConv(x, out tensor.Spec, w, b tensor.Tensor, v window) (*intConv, error) {
	c := &intConv{w: w, b: b, oc: v.oc, k: v.kernel[0] * v.kernel[1] * v.c / v.groups, flip: x.DType == tensor.U8}
	xs, zx := x.Quant.At(0)
	c.xs, c.raw, c.zx = xs, int(zx), int(zx)
	c.ys, _ = out.Quant.At(0)
	_, zw := w.Quant.At(0)
	for i := range w.Quant.Scale {
		if _, z := w.Quant.At(i); z != zw {
			return nil, fmt.Errorf("weights with more zero points than one have no kernel")
		}
	}
	if c.zw = int(zw); w.DType == tensor.U8 {
		c.zw -= 128
	}
	return c, nil
}

// signed is weight i as an i8.
func (c *intConv) signed(i int) int8 {
	if c.w.DType == tensor.U8 {
		return int8(c.w.Data[i] ^ 0x80)
	}
	return int8(c.w.Data[i])
}

func (c *intConv) weights() weight {
	if c.w.DType == tensor.I8 {
		return raw(c.w)
	}
	return made("i8", len(c.w.Data), func() ([]byte, error) {
		b := make([]byte, len(c.w.Data))
		for i := range b {
			b[i] = byte(c.signed(i))
		}
		return b, nil
	}, c.w)
}

// sources are the tensors that a bias is made of.
func (c *intConv) sources() []tensor.Tensor {
	if c.b.IsZero() {
		return []tensor.Tensor{c.w}
	}
	return []tensor.Tensor{c.w, c.b}
}

// bias is as it is, or zeros.
func (c *intConv) bias() weight {
	return made(fmt.Sprint("bias ", c.b.IsZero()), 4*c.oc, func() ([]byte, error) {
		v := make([]int32, c.oc)
		if !c.b.IsZero() {
			copy(v, c.b.I32())
		}
		return tensor.BytesOf(v), nil
	}, c.sources()...)
}

// folded is the bias with what does not depend on x of the sum of
// (x-zx)*(w-zw), for sums of x*w that run over whole rows of 64: the rest of the
// last one holds zeros, which are -128 where x is unsigned and 128 is taken off.
func (c *intConv) folded() weight {
	zx, rest := c.raw, 0
	if c.flip {
		zx -= 128
		rest = -128 * ((c.k+63)/64*64 - c.k)
	}
	return made(fmt.Sprint("folded ", zx, rest, c.zw, c.b.IsZero()), 4*c.oc, func() ([]byte, error) {
		v := make([]int32, c.oc)
		for o := range v {
			sum := 0
			for i := range c.k {
				sum += int(c.signed(o*c.k + i))
			}
			add := c.zw*rest + c.k*zx*c.zw - zx*sum
			if !c.b.IsZero() {
				add += int(c.b.I32()[o])
			}
			v[o] = int32(add)
		}
		return tensor.BytesOf(v), nil
	}, c.sources()...)
}

// scales are from sums to results, one a channel.
func (c *intConv) scales() weight {
	v := make([]float32, c.oc)
	for o := range v {
		s, _ := c.w.Quant.At(o)
		v[o] = float32(c.xs*s) / c.ys
	}
	return constant(tensor.BytesOf(v))
}
