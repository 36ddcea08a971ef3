package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// importDropout: in inference the input itself and a mask of ones. With
// training_mode and a seed the mask is the one that the standard's reference
// draws, known here; without a seed the operator draws its own.
func importDropout(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0]
	rate := c.float("ratio", 0.5)
	training := false
	if c.opset >= 12 {
		var err error
		if rate, err = c.constScalar(1, "the ratio", 0.5); err != nil {
			return err
		}
		t, _, err := c.constInput(2, "training_mode")
		if err != nil {
			return err
		}
		training = len(t.Data) > 0 && t.Data[0] != 0
	}
	switch {
	case !training || rate == 0:
		if rate > 0 && rate <= 1 && c.opset < 12 || c.arg(1) != nil && rate > 0 && rate <= 1 {
			// Kept, so that a trainer drops.
			if err := c.anyLayout(0, func(layout) ops.Op { return &ops.Dropout{Rate: rate} }, x); err != nil {
				return err
			}
		} else {
			c.set(0, x)
		}
		return c.dropoutMask(x, nil)
	case c.has("seed"):
		if !(rate > 0 && rate < 1) {
			return fmt.Errorf("ratio is %v", rate)
		}
		return c.seededDropout(x, rate)
	}
	for i := range 2 {
		if err := c.outAt(i, &ops.Dropout{Rate: rate, Training: true, Output: i}, x); err != nil {
			return err
		}
	}
	return nil
}

// dropoutMask is output 1: the mask, all true where nil.
func (c *call) dropoutMask(x *value, mask []byte) error {
	if !c.wants(1) {
		return nil
	}
	s := x.spec()
	if mask == nil {
		if c.open && s.Shape.Rank() > 0 && batchyInt(int64(s.Shape.Dim(0))) {
			return c.outAt(1, &ops.Dropout{Output: 1}, x)
		}
		if !c.makes(s.Shape.Elems()) {
			return fmt.Errorf("a mask of %v is too large", s.Shape)
		}
		mask = make([]byte, s.Shape.Elems())
		for i := range mask {
			mask[i] = 1
		}
	}
	m := c.known(c.outName(1), tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool, Shape: s.Shape}, Data: mask})
	if c.opset < 10 { // the mask had the input's type
		var err error
		if m, err = c.cast(m, s.DType); err != nil {
			return err
		}
	}
	c.set(1, m)
	return nil
}

func (c *call) seededDropout(x *value, rate float32) error {
	s := x.spec()
	if c.open {
		return fmt.Errorf("a seeded mask of %v, whose batch is open", s.Shape)
	}
	if n := s.Shape.Elems(); n > foldLimit || !c.makes(5*n) { // as bytes, and as factors
		return fmt.Errorf("a seeded mask of %v is too large", s.Shape)
	}
	rng := newTwister(uint32(c.int("seed", 0)))
	mask := make([]byte, s.Shape.Elems())
	keep := tensor.New(tensor.Spec{DType: tensor.F32, Shape: s.Shape})
	for i := range mask {
		if rng.float64() >= float64(rate) {
			mask[i], keep.F32()[i] = 1, 1/(1-rate)
		}
	}
	if c.wants(0) {
		y, err := c.arith(c.outName(0), func(layout) ops.Op { return &ops.Binary{Fn: ops.BinaryMul} }, x, c.known("mask", keep))
		if err != nil {
			return err
		}
		c.set(0, y)
	}
	return c.dropoutMask(x, mask)
}

// twister is the generator MT19937 (Matsumoto and Nishimura, 1998), which the
// standard's reference draws masks from.
type twister struct {
	state [624]uint32
	next  int
}

func newTwister(seed uint32) *twister {
	t := &twister{next: 624}
	t.state[0] = seed
	for i := 1; i < 624; i++ {
		p := t.state[i-1]
		t.state[i] = 1812433253*(p^p>>30) + uint32(i)
	}
	return t
}

func (t *twister) uint32() uint32 {
	if t.next == 624 {
		for i := range 624 {
			y := t.state[i]&0x80000000 | t.state[(i+1)%624]&0x7fffffff
			v := t.state[(i+397)%624] ^ y>>1
			if y&1 != 0 {
				v ^= 0x9908b0df
			}
			t.state[i] = v
		}
		t.next = 0
	}
	y := t.state[t.next]
	t.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// float64 is uniform in [0, 1) with 53 bits.
func (t *twister) float64() float64 {
	a, b := t.uint32()>>5, t.uint32()>>6
	return (float64(a)*67108864 + float64(b)) / 9007199254740992
}
