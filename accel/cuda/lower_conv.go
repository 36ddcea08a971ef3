package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// tile is the side of a block's part of a matrix product.
const tile = 64

// fused splits an activation into the clamp that kernels apply as they store,
// as their three parameters, and whether a launch of its own has to follow.
func fused(a ops.Act) (clamp []param, after bool) {
	lo, hi, ok := a.Clamp()
	if !ok || a.Fn == ops.UnaryNone {
		return []param{int64Of(0), num(0), num(0)}, !ok
	}
	return []param{int64Of(1), num(float64(lo)), num(float64(hi))}, false
}

// finish applies an activation that was not fused to the node's value.
func (n *node) finish(a ops.Act) error {
	if _, after := fused(a); after {
		whole := n.numbers
		defer func() { n.numbers = whole }()
		if n.numbers = n.lowering.numbers; n.isWide(n.id) {
			n.numbers = float32s()
		}
		return n.activate(a.Fn, a.A, a.B, n.y, n.y, n.Out.Shape.Elems())
	}
	return nil
}

// plane is a window as two dimensions. A volume whose window is one deep is
// more images; other volumes have no kernel.
func plane(g *ops.Geom) (images int, err error) {
	if g.Kernel[0] != 1 || g.Stride[0] != 1 || g.PadLo[0] != 0 || g.PadHi[0] != 0 {
		return 0, fmt.Errorf("a window of 3 dimensions has no kernel")
	}
	return g.In[0], nil
}

// product numbers the operands of a convolution or a dense layer: a residual is
// the second input, and then there are no others.
func (n *node) product(residual bool) (w, bias, res int) {
	if residual {
		return 2, 3, 1
	}
	return 1, 2, -1
}

// window is what a convolution's kernels take beside addresses.
type window struct {
	images, h, w, c, oh, ow, oc, groups int
	kernel, stride, dilation, pad       [2]int
}

func (n *node) conv(o *ops.Conv) error {
	v, err := n.convWindow(o)
	if err != nil {
		return err
	}
	return n.convolve(v, o.Residual, o.Act)
}

func (n *node) convWindow(o *ops.Conv) (window, error) {
	x := n.spec(0).Shape
	wi, _, _ := n.product(o.Residual)
	w := n.spec(wi).Shape
	g, err := o.Resolve(ops.KindConv, x, w.Dims()[1:w.Rank()-1])
	if err != nil {
		return window{}, err
	}
	images, err := plane(&g)
	if err != nil {
		return window{}, err
	}
	return window{
		images * x.Dim(0), g.In[1], g.In[2], x.Channels(), g.Out[1], g.Out[2], w.Dim(0), max(1, o.Groups),
		[2]int(g.Kernel[1:]), [2]int(g.Stride[1:]), [2]int(g.Dilation[1:]), [2]int(g.PadLo[1:]),
	}, nil
}

// dense is a convolution of as many images of one pixel.
func (n *node) dense(o *ops.Dense) error {
	return n.convolve(n.denseWindow(), o.Residual, o.Act)
}

func (n *node) denseWindow() window {
	one := [2]int{1, 1}
	return window{
		n.Out.Shape.Rows(), 1, 1, n.spec(0).Shape.Channels(), 1, 1, n.Out.Shape.Channels(), 1, one, one, one, [2]int{},
	}
}

func (n *node) convolve(v window, residual bool, act ops.Act) error {
	wi, bi, ri := n.product(residual)
	bias := n.floats(bi)
	rows, each := v.images*v.oh*v.ow, v.oc/v.groups
	if rows > math.MaxInt32 || v.h*v.w*v.c > math.MaxInt32 {
		return fmt.Errorf("%d pixels of results, images of %d numbers are more than kernels count", rows, v.h*v.w*v.c)
	}
	flags := n.stores(residual)
	kernel, grid := "conv_f32", n.tiles(rows, each, v.groups, tile)
	var w ref
	parts, whole := 1, false // of the weights; whole: terms are not cut
	switch {
	case v.groups > 1 && v.groups == v.c:
		kernel, grid, w, whole = "dwconv_"+n.element, [3]int{(rows*v.oc + threads - 1) / threads, 1, 1}, n.floats(wi), true
	case n.numbers.product != "":
		size := n.tile(rows, each, v.groups)
		if flags != 0 {
			size = 64 // whose kernels have both types
		}
		split := n.splits(&v, wi)
		if split {
			parts = 2
		}
		kernel, grid, w = fmt.Sprintf("conv_%s_%d", n.numbers.product, size), n.tiles(rows, each, v.groups, size), n.filter(wi, split)
		whole = size != tile
	default:
		w = n.operand(wi)
	}
	if max(grid[1], grid[2]) > maxGrid {
		return fmt.Errorf("%d groups of %d channels are more than a grid holds", v.groups, each)
	}
	clamp, _ := fused(act)
	clamp[0].bits |= uint64(flags)
	if stretches, deep := n.cut(grid[0]*grid[1], ceil(parts*v.terms(), n.deep()), n.joining()); stretches > 1 && !whole && v.groups == 1 {
		n.stretched(&v, n.operand(0), w, bias, n.operand(ri), rows, parts, stretches, deep, clamp)
		return n.finish(act)
	}
	if parts == 2 {
		clamp[0].bits |= twoParts
	}
	var all []param
	if kernel == "conv_f32" {
		all = ints(0)
	}
	n.call(kernel, grid, []param{at(n.operand(0)), at(w), at(bias), at(n.operand(ri)), at(n.y)}, v.params(), ints(v.groups, n.pitch()), clamp, all)
	return n.finish(act)
}

// tiles is the grid of a matrix product.
func (n *node) tiles(rows, cols, depth, side int) [3]int {
	return [3]int{(rows + side - 1) / side, (cols + side - 1) / side, depth}
}

// tile is the side of tiles on tensor cores: the large ones move less memory, but
// too few of them leave multiprocessors idle. Nothing was measured.
func (n *node) tile(rows, cols, groups int) int {
	if g := n.tiles(rows, cols, groups, 128); cols > 64 && g[0]*g[1]*g[2] >= n.processors {
		return 128
	}
	return 64
}

// The reductions of pool.
const (
	poolMax    = 0
	poolPadded = 1 // mean over the window and its padding
	poolInside = 2 // mean over what lies in the input
)

func poolMode(o *ops.Pool) (int, error) {
	switch {
	case o.Output != 0:
		return 0, fmt.Errorf("indices of maxima have no kernel")
	case o.Fn == ops.PoolAvg && o.CountIncludePad:
		return poolPadded, nil
	case o.Fn == ops.PoolAvg:
		return poolInside, nil
	case o.Fn != ops.PoolMax:
		return 0, fmt.Errorf("pooling by a norm has no kernel")
	}
	return poolMax, nil
}

func (n *node) pool(o *ops.Pool) error {
	mode, err := poolMode(o)
	if err != nil {
		return err
	}
	x := n.spec(0).Shape
	g, err := o.Resolve(ops.KindPool, x, nil)
	if err != nil {
		return err
	}
	images, err := plane(&g)
	if err != nil {
		return err
	}
	n.pooling(n.operand(0), &g, images*x.Dim(0), x.Channels(), mode)
	if o.Act.Fn == ops.UnaryNone {
		return nil
	}
	return n.activate(o.Act.Fn, o.Act.A, o.Act.B, n.y, n.y, n.Out.Shape.Elems())
}

func (n *node) pooling(x ref, g *ops.Geom, images, c, mode int) {
	n.each("pool", images*g.Out[1]*g.Out[2]*c, []param{at(x), at(n.y)},
		ints(images, g.In[1], g.In[2], c, g.Out[1], g.Out[2], g.Kernel[1], g.Kernel[2], g.Stride[1], g.Stride[2],
			g.Dilation[1], g.Dilation[2], g.PadLo[1], g.PadLo[2], g.PadHi[1], g.PadHi[2], mode, n.pitch()))
}

func (n *node) globalPool(o *ops.GlobalPool) error {
	x := n.spec(0).Shape
	images, c := x.Dim(0), x.Channels()
	size := x.Elems() / (images * c)
	switch {
	case o.Fn == ops.PoolMax:
		one := [ops.MaxSpatial]int{1, 1, 1}
		row := [ops.MaxSpatial]int{1, 1, size}
		g := ops.Geom{Rank: 1, In: row, Out: one, Kernel: row, Stride: one, Dilation: one}
		n.pooling(n.operand(0), &g, images, c, poolMax)
		return nil
	case o.Fn != ops.PoolAvg:
		return fmt.Errorf("pooling by a norm has no kernel")
	case images > maxGrid:
		return fmt.Errorf("a batch of %d is more than a grid holds", images)
	}
	n.call("gavg_"+n.numbers.element, [3]int{(c + 31) / 32, images, 1}, []param{at(n.operand(0)), at(n.y)}, ints(images, size, c))
	return nil
}

// batchNorm is a multiply-add a channel with numbers known now.
func (n *node) batchNorm(o *ops.BatchNorm) error {
	if o.Training || o.Output != 0 {
		return fmt.Errorf("batch norm that trains has no kernel")
	}
	var t [4]tensor.Tensor // scale, bias, mean, variance
	for i := range t {
		v, ok := n.known(i + 1)
		if !ok {
			return fmt.Errorf("operand %d of batch norm is not known before the run", i+1)
		}
		t[i] = v
	}
	c := n.Out.Shape.Channels()
	scale := made(fmt.Sprint("scale ", o.Eps), 4*c, func() ([]byte, error) { s, _ := affine(t, o.Eps); return tensor.BytesOf(s), nil }, t[:]...)
	shift := made(fmt.Sprint("shift ", o.Eps), 4*c, func() ([]byte, error) { _, s := affine(t, o.Eps); return tensor.BytesOf(s), nil }, t[:]...)
	elems := n.Out.Shape.Elems()
	n.each("affine", elems, []param{at(n.operand(0)), at(n.made(scale)), at(n.made(shift)), at(n.y)},
		ints(elems, c), []param{int64Of(0), num(0), num(0)})
	return nil
}

// affine is batch norm's scale, bias, mean and variance as a multiply-add.
func affine(t [4]tensor.Tensor, eps float32) (scale, shift []float32) {
	for i, v := range t[3].F32() {
		s := float64(t[0].F32()[i]) / math.Sqrt(float64(v)+float64(eps))
		scale = append(scale, float32(s))
		shift = append(shift, float32(float64(t[1].F32()[i])-float64(t[2].F32()[i])*s))
	}
	return scale, shift
}
