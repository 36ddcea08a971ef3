package onnx

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

func importConcat(c *call) error {
	if err := c.need(max(1, len(c.in))); err != nil {
		return err
	}
	def := 1 // the attribute is required since operator set 4
	axis, err := axisIn(c.int("axis", def), c.in[0].rank())
	if err != nil {
		return err
	}
	for _, v := range c.in[1:] {
		if v.rank() != c.in[0].rank() {
			return fmt.Errorf("operands %v and %v", c.in[0].spec().Shape, v.spec().Shape)
		}
	}
	if len(c.in) == 1 {
		c.set(0, c.in[0])
		return nil
	}
	return c.anyLayout(0, func(l layout) ops.Op { return &ops.Concat{Axis: l.axis(axis)} }, c.in...)
}

// importSplit makes a slice of each output.
func importSplit(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	s := c.in[0].spec().Shape
	axis, err := axisIn(c.int("axis", 0), s.Rank())
	if err != nil {
		return err
	}
	sizes, err := c.intsAttrOrInput("split", 13, 1)
	if err != nil {
		return err
	}
	n := len(c.n.outputs)
	if sizes == nil {
		if n == 0 {
			return formatf("Split %q has no outputs", c.label())
		}
		part := (s.Dim(axis) + n - 1) / n
		for i := range n {
			sizes = append(sizes, max(0, min(part, s.Dim(axis)-i*part)))
		}
	}
	if len(sizes) != n {
		return fmt.Errorf("split %v for %d outputs", sizes, n)
	}
	if c.open && batchyInt(int64(s.Dim(axis))) {
		return &bakedError{name: c.in[0].name}
	}
	first := 0
	for i, size := range sizes {
		if size < 0 || size > s.Dim(axis)-first {
			return fmt.Errorf("split %v of dimension %d", sizes, s.Dim(axis))
		}
		lo, hi := first, first+size
		first = hi
		make := func(l layout) ops.Op {
			return &ops.Slice{Starts: []int{lo}, Ends: []int{hi}, Axes: []int{l.axis(axis)}}
		}
		if err := c.anyLayout(i, make, c.in[0]); err != nil {
			return err
		}
	}
	return nil
}

func importSlice(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	var starts, ends, axes, steps []int
	var err error
	if c.opset < 10 {
		starts, ends, axes = c.ints("starts"), c.ints("ends"), c.ints("axes")
	} else {
		for i, p := range []*[]int{&starts, &ends, &axes, &steps} {
			if *p, _, err = c.constIntsBatch(i+1, "a limit of the slice"); err != nil {
				return err
			}
		}
	}
	s := c.in[0].spec().Shape
	if axes == nil {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if len(starts) != len(ends) || len(axes) != len(starts) || (steps != nil && len(steps) != len(starts)) {
		return fmt.Errorf("starts %v, ends %v, axes %v, steps %v", starts, ends, axes, steps)
	}
	for i, a := range axes {
		if axes[i], err = axisIn(a, s.Rank()); err != nil {
			return err
		}
		if !c.open {
			continue
		}
		// A limit that is the batch itself is "to the end" of the batch.
		if batchyInt(int64(starts[i])) {
			return &bakedError{name: c.label()}
		}
		if batchyInt(int64(ends[i])) {
			if s.Dim(axes[i]) != ends[i] {
				return &bakedError{name: c.label()}
			}
			ends[i] = math.MaxInt32
		}
	}
	return c.anyLayout(0, func(l layout) ops.Op {
		m := make([]int, len(axes))
		for i, a := range axes {
			m[i] = l.axis(a)
		}
		return &ops.Slice{Starts: starts, Ends: ends, Axes: m, Steps: steps}
	}, c.in[0])
}

var padModes = map[string]ops.PadMode{"constant": ops.PadConstant, "reflect": ops.PadReflect, "edge": ops.PadEdge, "wrap": ops.PadWrap}

func importPad(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	rank := c.in[0].rank()
	mode, ok := padModes[c.string("mode", "constant")]
	if !ok {
		return fmt.Errorf("mode is %q", c.string("mode", ""))
	}
	pads, fill := c.ints("pads"), c.float("value", 0)
	var axes []int
	var err error
	if c.opset >= 11 {
		if pads, err = c.constInts(1, "the padding"); err != nil {
			return err
		}
		if fill, err = c.constScalar(2, "the padding's value", 0); err != nil {
			return err
		}
		if axes, err = c.constInts(3, "the axes"); err != nil {
			return err
		}
	}
	if axes == nil {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	if len(pads) != 2*len(axes) {
		return fmt.Errorf("padding %v of %d axes", pads, len(axes))
	}
	lo, hi := make([]int, rank), make([]int, rank)
	for i, a := range axes {
		if a, err = axisIn(a, rank); err != nil {
			return err
		}
		lo[a], hi[a] = pads[i], pads[len(axes)+i]
	}
	return c.anyLayout(0, func(l layout) ops.Op {
		return &ops.Pad{Lo: l.ints(lo), Hi: l.ints(hi), Mode: mode, Value: fill}
	}, c.in[0])
}

func importGather(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	return c.out(&ops.Gather{Axis: c.int("axis", 0)}, c.in[0], c.in[1])
}

func importGatherElements(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	return c.out(&ops.GatherElements{Axis: c.int("axis", 0)}, c.in[0], c.in[1])
}

// importExpand: where the target is the open batch the input's own must be it,
// or the input is a constant that is repeated.
func importExpand(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	dims, _, err := c.constIntsBatch(1, "the shape")
	if err != nil {
		return err
	}
	if c.in[0].isConst() && c.open {
		return c.grown(c.in[0], dims, func(d []int) ops.Op { return &ops.Expand{Dims: d} })
	}
	s := c.in[0].spec().Shape
	out := append([]int(nil), dims...)
	for i, d := range dims {
		j := s.Rank() - (len(dims) - i)
		if c.open && batchyInt(int64(d)) {
			if j < 0 || s.Dim(j) != d {
				return &bakedError{name: c.in[1].name}
			}
			out[i] = 1
		}
	}
	return c.out(&ops.Expand{Dims: out}, c.in[0])
}

func importTile(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	reps, batchy, err := c.constIntsBatch(1, "the repeats")
	if err != nil {
		return err
	}
	if batchy && c.open {
		if !c.in[0].isConst() {
			return &bakedError{name: c.in[1].name}
		}
		return c.grown(c.in[0], reps, func(r []int) ops.Op { return &ops.Tile{Repeats: r} })
	}
	return c.out(&ops.Tile{Repeats: reps}, c.in[0])
}

// importTrilu keeps a triangle of each matrix: a choice between the input and 0
// by a mask that is known.
func importTrilu(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	s := c.in[0].spec()
	if s.Shape.Rank() < 2 {
		return fmt.Errorf("operand %v is no matrix", s)
	}
	rows, cols := s.Shape.Dim(s.Shape.Rank()-2), s.Shape.Dim(s.Shape.Rank()-1)
	ks, err := c.constInts(1, "the diagonal")
	if err != nil {
		return err
	}
	if c.open && (batchyInt(int64(rows)) || batchyInt(int64(cols))) {
		return &bakedError{name: c.in[0].name}
	}
	k := 0
	if len(ks) > 0 {
		k = ks[0]
	}
	spec := tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(rows, cols)}
	if spec.Bytes() > foldLimit || spec.Bytes() > c.importer.budget {
		return fmt.Errorf("a mask of %v is too large", spec)
	}
	c.importer.budget -= spec.Bytes()
	mask := tensor.New(spec)
	upper := c.bool("upper", true)
	for i := range mask.Data {
		if d := i%cols - i/cols; upper && d >= k || !upper && d <= k {
			mask.Data[i] = 1
		}
	}
	return c.out(&ops.Where{}, c.known(c.outName(0)+"_mask", mask), c.in[0], c.known(c.outName(0)+"_zero", tensor.New(tensor.Spec{DType: s.DType})))
}

// importCast also takes constant doubles, which have no type of ours, and makes
// float32 where it should make doubles.
func importCast(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	to := int32(c.int("to", 0))
	if c.n.op == "CastLike" {
		if err := c.need(2); err != nil {
			return err
		}
		if to = onnxType(c.in[1].spec().DType); c.in[1].double != nil {
			to = typeDouble
		}
	}
	d, ok := dtypeOf(to)
	if to == typeDouble {
		d, ok = tensor.F32, true
	}
	if !ok {
		return &TypeError{c.outName(0), typeName(to)}
	}
	x := c.in[0]
	if x.err != nil {
		if x.double == nil {
			return x.err
		}
		if x = c.single(x); x == nil {
			return c.b.Err()
		}
	}
	return c.anyLayout(0, func(layout) ops.Op { return &ops.Cast{To: d} }, x)
}

func importIdentity(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	c.set(0, c.in[0])
	return nil
}

func importOneHot(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	depth, err := c.constFloats(1, "the depth") // any type of number
	if err != nil {
		return err
	}
	if len(depth) != 1 || !(depth[0] >= 0 && depth[0] < 1<<24) {
		return fmt.Errorf("depth is %v", depth)
	}
	return c.out(&ops.OneHot{Depth: int(depth[0]), Axis: c.int("axis", -1)}, c.in[0], c.in[2])
}
