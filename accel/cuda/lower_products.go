package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// matMul is batched products; strides make transposed and repeated operands.
func (n *node) matMul(o *ops.MatMul) error {
	a, b := n.spec(0).Shape.Dims(), n.spec(1).Shape.Dims()
	transA, transB := o.TransA, o.TransB
	if len(a) == 1 {
		a, transA = []int{1, a[0]}, false
	}
	if len(b) == 1 {
		b, transB = []int{b[0], 1}, false
	}
	la, lb := len(a)-2, len(b)-2
	rows, cols, k := a[la], b[lb+1], a[la+1]
	am, ak, bk, bn := k, 1, cols, 1
	if transA {
		rows, k = k, rows
		am, ak = 1, rows
	}
	if transB {
		cols = b[lb]
		bk, bn = 1, k
	}
	if max(rows*k, k*cols, rows*cols) > math.MaxInt32 {
		return fmt.Errorf("matrices of %dx%d and %dx%d are more than kernels count", rows, k, k, cols)
	}
	dims, as, bs := batches(a[:la], b[:lb], rows*k, k*cols)
	grid := n.tiles(rows, cols, dims[0]*dims[1]*dims[2]*dims[3], tile)
	if max(grid[1], grid[2]) > maxGrid {
		return fmt.Errorf("%d products of %d columns are more than a grid holds", grid[2], cols)
	}
	alpha := float64(o.Alpha)
	if alpha == 0 {
		alpha = 1
	}
	clamp, _ := fused(o.Act)
	n.call("matmul_"+n.element, grid, []param{at(n.operand(0)), at(n.operand(1)), at(n.y)},
		ints(rows, cols, k, am, ak, bk, bn), ints(dims...), ints(as...), ints(bs...), []param{num(alpha)}, clamp)
	return n.finish(o.Act)
}

// batches are the four dims of a batch of products that broadcast, and the
// strides of both operands.
func batches(a, b []int, sizeA, sizeB int) (dims, as, bs []int) {
	const most = tensor.MaxRank - 2
	at := func(v []int, i int) int {
		if i -= most - len(v); i >= 0 {
			return v[i]
		}
		return 1
	}
	dims, as, bs = make([]int, most), make([]int, most), make([]int, most)
	for i := most - 1; i >= 0; i-- {
		da, db := at(a, i), at(b, i)
		dims[i] = max(da, db)
		if da != 1 {
			as[i] = sizeA
		}
		if db != 1 {
			bs[i] = sizeB
		}
		sizeA *= da
		sizeB *= db
	}
	return dims, as, bs
}

// The functions of reduce are numbered as the operator's.
var _ = [1]struct{}{}[ops.ReduceSumSquare-9]

// axes are a shape's dimensions that stay and that go, with their strides;
// those of extent 1 are left out.
type axes struct {
	reduced                    []bool
	kept, keptBy, gone, goneBy []int
	last                       bool // the innermost goes
}

func splitAxes(o *ops.Reduce, x tensor.Shape) (r axes, err error) {
	reduced := make([]bool, x.Rank())
	for _, a := range o.Axes {
		i, ok := axisOf(a, x.Rank())
		if !ok {
			return r, fmt.Errorf("axes %v of %v", o.Axes, x)
		}
		reduced[i] = true
	}
	if len(o.Axes) == 0 && !o.NoOp {
		for i := range reduced {
			reduced[i] = true
		}
	}
	r.reduced = reduced
	for i, s := range dense(x) {
		d := x.Dim(i)
		if d == 1 {
			continue
		}
		if r.last = reduced[i]; r.last {
			r.gone, r.goneBy = append(r.gone, d), append(r.goneBy, s)
		} else {
			r.kept, r.keptBy = append(r.kept, d), append(r.keptBy, s)
		}
	}
	return r, nil
}

func (n *node) reduce(o *ops.Reduce) error {
	x := n.spec(0).Shape
	r, err := splitAxes(o, x)
	if err != nil {
		return err
	}
	count, times := product(r.kept), product(r.gone)
	// Means over all positions of images have a kernel of their own.
	if o.Fn == ops.ReduceMean && len(r.kept) <= 2 && !r.last && len(r.gone) > 0 && inner(r.reduced, x) && x.Dim(0) <= maxGrid {
		c := x.Channels()
		n.call("gavg_"+n.element, [3]int{(c + 31) / 32, x.Dim(0), 1}, []param{at(n.operand(0)), at(n.y)}, ints(x.Dim(0), x.Elems()/(x.Dim(0)*c), c))
		return nil
	}
	// A block an output where threads would read far from each other.
	wide, grid := 0, [3]int{(count + threads - 1) / threads, 1, 1}
	if r.last || count < threads && times >= threads {
		wide, grid = 1, [3]int{count, 1, 1}
	}
	n.call("reduce_"+n.element, grid, []param{at(n.operand(0)), at(n.y)}, ints(count, times, int(o.Fn), wide),
		ints(six(r.kept, 1)...), ints(six(r.keptBy, 0)...), ints(six(r.gone, 1)...), ints(six(r.goneBy, 0)...))
	return nil
}

// inner says that all dimensions go but the first and the last.
func inner(reduced []bool, x tensor.Shape) bool {
	for i, r := range reduced {
		ends := i == 0 || i == len(reduced)-1
		if r == ends && x.Dim(i) != 1 {
			return false
		}
	}
	return len(reduced) > 2
}

func (n *node) groupNorm(o *ops.GroupNorm) error {
	outer, pos, groups, width := n.groupSets(o)
	return n.norm(outer, pos, groups, width, 0, o.Eps)
}

// groupSets are a group norm's sets as norm counts them.
func (n *node) groupSets(o *ops.GroupNorm) (outer, pos, groups, width int) {
	x := n.spec(0).Shape
	g := o.Groups
	if g == 0 {
		g = x.Channels()
	}
	return x.Dim(0), x.Rows() / x.Dim(0), g, x.Channels() / g
}

func (n *node) layerNorm(o *ops.LayerNorm) error {
	outer, width, err := n.layerSets(o)
	if err != nil {
		return err
	}
	return n.norm(outer, 1, 1, width, o.Output, o.Eps)
}

// layerSets are a layer norm's sets, each of width numbers.
func (n *node) layerSets(o *ops.LayerNorm) (outer, width int, err error) {
	x := n.spec(0).Shape
	axis, ok := axisOf(o.Axis, x.Rank())
	if !ok {
		return 0, 0, fmt.Errorf("axis %d of %v", o.Axis, x)
	}
	outer = 1
	for i := range axis {
		outer *= x.Dim(i)
	}
	return outer, x.Elems() / outer, nil
}

// norm is sets of elements that are normalised together.
func (n *node) norm(outer, pos, groups, width, output int, eps float32) error {
	var affine [2]ref
	var one [2]int
	for i := range affine {
		if k := i + 1; k < len(n.In)+len(n.Params) {
			affine[i] = n.operand(k)
			if n.spec(k).Shape.Elems() != groups*width {
				one[i] = 1
			}
		}
	}
	n.call("norm_"+n.element, [3]int{outer * groups, 1, 1}, []param{at(n.operand(0)), at(affine[0]), at(affine[1]), at(n.y)},
		ints(outer, pos, groups, width, one[0], one[1], output), []param{num(float64(eps))})
	return nil
}

func (n *node) convTranspose(o *ops.ConvTranspose) error {
	in := make([]tensor.Spec, len(n.In))
	for i := range in {
		in[i] = n.spec(i)
	}
	g, err := o.Geometry(in, ops.Specs(n.Params))
	if err != nil {
		return err
	}
	// It is of the convolution, whose input is our result.
	if g.Kernel[0] != 1 || g.Stride[0] != 1 || g.PadLo[0] != 0 || g.PadHi[0] != 0 {
		return fmt.Errorf("a window of 3 dimensions has no kernel")
	}
	bias := n.floats(2)
	x, groups := n.spec(0).Shape, max(1, o.Groups)
	oc := n.Out.Shape.Channels()
	clamp, _ := fused(o.Act)
	n.each("deconv", n.Out.Shape.Elems(), []param{at(n.operand(0)), at(n.operand(1)), at(bias), at(n.y)},
		ints(x.Dim(0)*g.Out[0], g.Out[1], g.Out[2], x.Channels(), g.In[1], g.In[2], oc, g.Kernel[1], g.Kernel[2], g.Stride[1], g.Stride[2],
			g.Dilation[1], g.Dilation[2], g.PadLo[1], g.PadLo[2], groups), clamp)
	return n.finish(o.Act)
}
