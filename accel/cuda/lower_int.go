package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// Integer networks compute what the CPU does, bit for bit. Functions of one or two
// 8-bit numbers are tables that the operator itself fills.

// integer says that a node reads or makes 8-bit numbers.
func (n *node) integer() bool {
	return n.Out.DType.IsInt8() || len(n.In) > 0 && n.spec(0).DType.IsInt8()
}

func (n *node) lowerInt() error {
	switch o := n.Op.(type) {
	case *ops.Input:
		return n.input()
	case *ops.Conv:
		v, err := n.convWindow(o)
		if err != nil {
			return err
		}
		return n.convolveInt(v, o.Act)
	case *ops.Dense:
		return n.convolveInt(n.denseWindow(), o.Act)
	case *ops.Pool:
		return n.poolInt(o)
	case *ops.GlobalPool:
		return n.globalPoolInt(o)
	case *ops.Reduce:
		return n.reduceInt(o)
	case *ops.Unary, *ops.PRelu:
		return n.table(0, n.y, n.Out.Shape.Elems(), n.Out.Shape.Elems())
	case *ops.Quantize:
		return n.quantize()
	case *ops.Dequantize:
		return n.dequantize()
	case *ops.Binary:
		return n.binaryInt(o)
	case *ops.Softmax:
		return n.softmaxInt(o)
	case *ops.Concat:
		return n.concatInt(o)
	case *ops.Pad:
		return n.pad(o)
	case *ops.Slice:
		return n.slice(o)
	case *ops.Transpose:
		return n.transpose(o)
	case *ops.Expand:
		n.expand()
		return nil
	}
	return fmt.Errorf("%v has no kernel for integers", n.Op.Kind())
}

// sign is a kernel's parameter for how bytes are read.
func sign(s tensor.Spec) int {
	if s.DType == tensor.I8 {
		return 1
	}
	return 0
}

// limits are a result's zero point and range.
func limits(act ops.Act, out tensor.Spec) ([]param, error) {
	lo, hi, err := act.QuantLimits(out)
	if err != nil {
		return nil, err
	}
	_, zero := out.Quant.At(0)
	return ints(int(zero), int(lo), int(hi)), nil
}

// affine wants one scale of every spec.
func affineSpecs(specs ...tensor.Spec) error {
	for _, s := range specs {
		if !s.DType.IsInt8() || !s.Quant.PerTensor() {
			return fmt.Errorf("%v: integers of one scale only", s)
		}
	}
	return nil
}

// convolveInt is on tensor cores where there are some, but for depthwise layers
// and narrow groups.
func (n *node) convolveInt(v window, act ops.Act) error {
	x, w := n.spec(0), n.spec(1)
	if err := affineSpecs(x, n.Out); err != nil {
		return err
	}
	wt, ok := n.known(1)
	if !ok || !w.DType.IsInt8() {
		return fmt.Errorf("weights %v: only i8 and u8 that are known before the run have a kernel", w)
	}
	var bt tensor.Tensor
	if len(n.In)+len(n.Params) > 2 {
		if bt, ok = n.known(2); !ok {
			return fmt.Errorf("operand 2 is computed, which integers have no kernel for")
		}
	}
	tail, err := limits(act, n.Out)
	if err != nil {
		return err
	}
	c, err := newIntConv(x, n.Out, wt, bt, v)
	if err != nil {
		return err
	}
	rows, each := v.images*v.oh*v.ow, v.oc/v.groups
	if rows > math.MaxInt32 || v.h*v.w*v.c > math.MaxInt32 {
		return fmt.Errorf("%d pixels of results, images of %d numbers are more than kernels count", rows, v.h*v.w*v.c)
	}
	kernel, grid := "conv_i8", [3]int{(rows*v.oc + threads - 1) / threads, 1, 1}
	bias, zx, zw := c.bias(), c.zx, c.zw
	if n.capability >= 80 && v.c/v.groups >= 16 {
		size := n.tile(rows, each, v.groups)
		if kernel = fmt.Sprint("conv_i8_", size); zw != 0 {
			kernel, size = "conv_i8z_64", 64
		}
		bias, zx = c.folded(), c.raw
		if grid = n.tiles(rows, each, v.groups, size); max(grid[1], grid[2]) > maxGrid {
			return fmt.Errorf("%d groups of %d channels are more than a grid holds", v.groups, each)
		}
		if kernel == "conv_i8_64" && v.groups == 1 {
			if stretches, deep := n.cut(grid[0]*grid[1], ceil(v.terms(), 64), onTensorCores); stretches > 1 {
				sums := n.scratchOf(4 * rows * v.oc * stretches)
				n.call("cut_i8", n.tiles(rows, v.oc, stretches, size), []param{at(n.operand(0)), at(n.made(c.weights())), at(sums)},
					v.params(), ints(sign(x), zx, deep))
				n.count("join_i8", rows*v.oc, []param{at(sums), at(n.made(bias)), at(n.made(c.scales())), at(n.y)},
					ints(rows*v.oc, v.oc, stretches, n.pitch()), tail)
				return nil
			}
		}
	}
	n.call(kernel, grid, []param{at(n.operand(0)), at(n.made(c.weights())), at(n.made(bias)), at(n.made(c.scales())), at(n.y)},
		v.params(), ints(v.groups, n.pitch(), sign(x), zx, zw), tail)
	return nil
}

func (n *node) poolInt(o *ops.Pool) error {
	x := n.spec(0)
	if err := affineSpecs(x, n.Out); err != nil {
		return err
	}
	mode, err := poolMode(o)
	if err != nil {
		return err
	}
	g, err := o.Resolve(ops.KindPool, x.Shape, nil)
	if err != nil {
		return err
	}
	images, err := plane(&g)
	if err != nil {
		return err
	}
	tail, err := limits(o.Act, n.Out)
	if err != nil {
		return err
	}
	sx, zx := x.Quant.At(0)
	sy, zy := n.Out.Quant.At(0)
	rescale := 0
	if sx != sy || zx != zy || x.DType != n.Out.DType {
		rescale = 1
	}
	images *= x.Shape.Dim(0)
	c := x.Shape.Channels()
	n.count("pool_i8", images*g.Out[1]*g.Out[2]*c, []param{at(n.operand(0)), at(n.y)},
		ints(images, g.In[1], g.In[2], c, g.Out[1], g.Out[2], g.Kernel[1], g.Kernel[2], g.Stride[1], g.Stride[2],
			g.Dilation[1], g.Dilation[2], g.PadLo[1], g.PadLo[2], mode, n.pitch(), sign(x), int(zx), rescale),
		[]param{num(float64(sx)), num(float64(sy))}, tail)
	return nil
}

func (n *node) globalPoolInt(o *ops.GlobalPool) error {
	x := n.spec(0).Shape
	fn := ops.ReduceMean
	switch o.Fn {
	case ops.PoolMax:
		fn = ops.ReduceMax
	case ops.PoolAvg:
	default:
		return fmt.Errorf("pooling by a norm has no kernel")
	}
	size := x.Rows() / x.Dim(0)
	return n.reducedInt(fn, []int{x.Dim(0), x.Channels()}, []int{size * x.Channels(), 1}, []int{size}, []int{x.Channels()})
}

func (n *node) reduceInt(o *ops.Reduce) error {
	r, err := splitAxes(o, n.spec(0).Shape)
	if err != nil {
		return err
	}
	return n.reducedInt(o.Fn, r.kept, r.keptBy, r.gone, r.goneBy)
}

func (n *node) reducedInt(fn ops.ReduceFn, kept, keptBy, gone, goneBy []int) error {
	x := n.spec(0)
	if err := affineSpecs(x, n.Out); err != nil {
		return err
	}
	if fn > ops.ReduceMin {
		return fmt.Errorf("function %d has no kernel for integers", fn)
	}
	tail, err := limits(ops.Act{}, n.Out)
	if err != nil {
		return err
	}
	sx, zx := x.Quant.At(0)
	sy, _ := n.Out.Quant.At(0)
	count, times := product(kept), product(gone)
	scale, same := sx/sy, 0
	if fn == ops.ReduceMean {
		scale, fn = sx/float32(sy*float32(times)), ops.ReduceSum
	}
	if fn != ops.ReduceSum && x.Quant.Equal(n.Out.Quant) && x.DType == n.Out.DType {
		same = 1
	}
	n.count("reduce_i8", count, []param{at(n.operand(0)), at(n.y)}, ints(count, times, int(fn), same, sign(x), int(zx)),
		[]param{num(float64(scale))}, tail, ints(six(kept, 1)...), ints(six(keptBy, 0)...), ints(six(gone, 1)...), ints(six(goneBy, 0)...))
	return nil
}

func product(v []int) int {
	p := 1
	for _, d := range v {
		p *= d
	}
	return p
}

func (n *node) softmaxInt(o *ops.Softmax) error {
	x := n.spec(0)
	if err := affineSpecs(x, n.Out); err != nil {
		return err
	}
	outer, cols, inner, ok := softmaxLines(o, n.Out.Shape)
	if !ok || o.Log {
		return fmt.Errorf("axis %d of %v, log %v has no kernel for integers", o.Axis, n.Out.Shape, o.Log)
	}
	tail, err := limits(ops.Act{}, n.Out)
	if err != nil {
		return err
	}
	sx, _ := x.Quant.At(0)
	sy, _ := n.Out.Quant.At(0)
	beta := o.Beta
	if beta == 0 {
		beta = 1
	}
	step := -float32(sx * beta)
	exps := make([]float32, 256)
	for i := range exps {
		exps[i] = float32(math.Exp(float64(step * float32(i))))
	}
	n.count("softmax_i8", outer*inner, []param{at(n.operand(0)), at(n.made(constant(tensor.BytesOf(exps)))), at(n.y)},
		ints(outer, cols, inner, sign(x)), []param{num(float64(sy))}, tail)
	return nil
}
