package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// window reads the attributes of a sliding window over rank spatial
// dimensions. The kernel is nil for convolutions, whose weights say it.
func (c *call) window(rank int, kernel bool) (w ops.Window, err error) {
	if rank < 1 {
		return w, fmt.Errorf("the input has no spatial dimensions")
	}
	w.Stride, w.Dilation = c.ints("strides"), c.ints("dilations")
	if kernel {
		if w.Kernel = c.ints("kernel_shape"); w.Kernel == nil {
			return w, fmt.Errorf("kernel_shape is missing")
		}
	}
	switch auto := c.string("auto_pad", "NOTSET"); auto {
	case "NOTSET", "":
	case "SAME_UPPER":
		w.Auto = ops.PadSameUpper
	case "SAME_LOWER":
		w.Auto = ops.PadSameLower
	case "VALID":
		w.Auto = ops.PadValid
	default:
		return w, fmt.Errorf("auto_pad is %q", auto)
	}
	if p := c.ints("pads"); len(p) > 0 && w.Auto == ops.PadExplicit {
		if len(p) != 2*rank {
			return w, fmt.Errorf("pads %v for %d spatial dimensions", p, rank)
		}
		w.PadLo, w.PadHi = p[:rank], p[rank:]
	}
	w.Ceil = c.bool("ceil_mode", false)
	return w, nil
}

func importConv(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	w, err := c.window(c.in[0].rank()-2, false)
	if err != nil {
		return err
	}
	rest, err := c.weights(1)
	if err != nil {
		return err
	}
	return c.spatial(0, &ops.Conv{Window: w, Groups: c.int("group", 1)}, c.in[0], rest...)
}

// weights are the inputs from i on, a convolution's: the first with its second
// dimension moved to the end.
func (c *call) weights(i int) ([]*value, error) {
	rest, err := c.present(i)
	if err != nil {
		return nil, err
	}
	w, err := c.weight(rest[0])
	if err != nil {
		return nil, err
	}
	return append([]*value{w}, rest[1:]...), nil
}

// weight is a convolution's weight with its second dimension last.
func (c *call) weight(v *value) (*value, error) {
	if v.isConst() && v.err == nil && v.rank() >= 3 {
		if v.last == nil && c.copies(len(v.c.Data)) {
			v.last = c.known(v.name, permute(v.c, toNHWC(v.rank())))
			c.ints8.putPermuted(v.last.c, v.c, toNHWC(v.rank()))
		}
		return v.last, c.b.Err()
	}
	return c.toNHWC(v)
}

// importConvTranspose resolves what the file says of the output's size into
// explicit padding.
func importConvTranspose(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	xs, ws := c.in[0].spec().Shape, c.in[1].spec().Shape
	rank := xs.Rank() - 2
	w, err := c.window(rank, false)
	if err != nil {
		return err
	}
	if ws.Rank() != xs.Rank() {
		return fmt.Errorf("weight %v for input %v", ws, xs)
	}
	outPad, outShape := c.ints("output_padding"), c.ints("output_shape")
	if len(outShape) == rank+2 {
		outShape = outShape[2:]
	}
	for _, l := range [][]int{outPad, outShape, w.Stride, w.Dilation} {
		if l != nil && len(l) != rank {
			return fmt.Errorf("attribute %v for %d spatial dimensions", l, rank)
		}
	}
	same := w.Auto == ops.PadSameUpper || w.Auto == ops.PadSameLower
	if outShape != nil || same {
		lo, hi, extra := make([]int, rank), make([]int, rank), make([]int, rank)
		for i := range rank {
			stride, dilation := at(w.Stride, i, 1), at(w.Dilation, i, 1)
			extra[i] = at(outPad, i, 0)
			want := xs.Dim(2+i) * stride
			if outShape != nil {
				want = outShape[i]
			}
			total := stride*(xs.Dim(2+i)-1) + extra[i] + (ws.Dim(2+i)-1)*dilation + 1 - want
			if total < 0 {
				extra[i] -= total
				total = 0
			}
			lo[i], hi[i] = total-total/2, total/2
			if w.Auto == ops.PadSameUpper {
				lo[i], hi[i] = hi[i], lo[i]
			}
		}
		w.Auto, w.PadLo, w.PadHi, outPad = ops.PadExplicit, lo, hi, extra
	}
	if w.Auto == ops.PadValid {
		w.Auto = ops.PadExplicit
	}
	rest, err := c.weights(1)
	if err != nil {
		return err
	}
	return c.spatial(0, &ops.ConvTranspose{Window: w, Groups: c.int("group", 1), OutputPad: outPad}, c.in[0], rest...)
}

func at(v []int, i, def int) int {
	if v == nil {
		return def
	}
	return v[i]
}

func importPool(fn ops.PoolFn) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		w, err := c.window(c.in[0].rank()-2, true)
		if err != nil {
			return err
		}
		p := ops.Pool{Window: w, Fn: fn, CountIncludePad: c.bool("count_include_pad", false), P: c.int("p", 2)}
		if fn != ops.PoolLp {
			p.P = 0
		}
		if err := c.spatial(0, &p, c.in[0]); err != nil || fn != ops.PoolMax {
			return err
		}
		q := p
		q.Output, q.IndexNCHW, q.StorageOrder = 1, true, c.int("storage_order", 0)
		return c.spatial(1, &q, c.in[0])
	}
}

func importGlobalPool(fn ops.PoolFn) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		g := &ops.GlobalPool{Fn: fn}
		if fn == ops.PoolLp {
			g.P = c.int("p", 2)
		}
		return c.spatial(0, g, c.in[0])
	}
}

func importMaxUnpool(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	w, err := c.window(c.in[0].rank()-2, true)
	if err != nil {
		return err
	}
	shape, err := c.constInts(2, "the output shape")
	if err != nil {
		return err
	}
	if shape != nil {
		if len(shape) != c.in[0].rank() {
			return fmt.Errorf("output shape %v for input %v", shape, c.in[0].spec().Shape)
		}
		shape = layout{len(shape), true}.ints(shape)
	}
	idx, err := c.toNHWC(c.in[1])
	if err != nil {
		return err
	}
	return c.spatial(0, &ops.MaxUnpool{Window: w, OutputShape: shape, IndexNCHW: true}, c.in[0], idx)
}

func importBatchNorm(c *call) error {
	if err := c.need(5); err != nil {
		return err
	}
	if !c.bool("spatial", true) && c.in[0].rank() > 2 {
		return fmt.Errorf("statistics for each position (spatial=0)")
	}
	training := c.bool("training_mode", false)
	if c.opset < 14 && !training {
		// Before, more than one output was what asked for training.
		training = c.wants(1) && c.opset >= 7
	}
	// Outside the training form only a trainer reads Unbiased, and the frameworks
	// that export networks to be tuned divide by n-1.
	op := ops.BatchNorm{Eps: c.float("epsilon", 1e-5), Momentum: c.float("momentum", 0.9), Training: training, Unbiased: !training}
	if err := c.spatial(0, &op, c.in[0], c.in[1:5]...); err != nil || !training {
		return err
	}
	x, err := c.toNHWC(c.in[0])
	if err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		q := op
		q.Output = i
		if err := c.outAt(i, &q, append([]*value{x}, c.in[1:5]...)...); err != nil {
			return err
		}
	}
	return nil
}

func importGroupNorm(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	groups := c.int("num_groups", 0)
	s := c.in[0].spec().Shape
	if s.Rank() < 3 || groups < 1 || s.Dim(1)%groups != 0 {
		return fmt.Errorf("%d groups of input %v", groups, s)
	}
	scale, bias := c.in[1], c.in[2]
	if c.opset < 21 && groups != s.Dim(1) { // one number a group; spread it over its channels
		if !c.makes(8 * s.Dim(1)) {
			return fmt.Errorf("%d channels are too many", s.Dim(1))
		}
		idx := make([]int64, s.Dim(1))
		for i := range idx {
			idx[i] = int64(i / (len(idx) / groups))
		}
		var err error
		which := c.known(c.label()+"_groups", tensor.FromI64(idx, len(idx)))
		if scale, err = c.add(c.label()+"_scale", &ops.Gather{}, scale, which); err != nil {
			return err
		}
		if bias, err = c.add(c.label()+"_bias", &ops.Gather{}, bias, which); err != nil {
			return err
		}
	}
	return c.spatial(0, &ops.GroupNorm{Groups: groups, Eps: c.float("epsilon", 1e-5)}, c.in[0], scale, bias)
}

func importLayerNorm(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	in, err := c.present(0)
	if err != nil {
		return err
	}
	for i := range 3 {
		op := &ops.LayerNorm{Axis: c.int("axis", -1), Eps: c.float("epsilon", 1e-5), Output: i}
		if err := c.outAt(i, op, in...); err != nil {
			return err
		}
	}
	return nil
}

func importLRN(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	op := &ops.LRN{Size: c.int("size", 0), Alpha: c.float("alpha", 1e-4), Beta: c.float("beta", 0.75), Bias: c.float("bias", 1)}
	return c.spatial(0, op, c.in[0])
}
