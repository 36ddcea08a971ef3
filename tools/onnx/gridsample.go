package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// importGridSample writes sampling at given places as arithmetic on these places
// and a GatherElements for each neighbour: it is rare, and an operator of its own
// would be in every program. With x as [n, h*w, c] and the grid as [n, p, 1] a
// dimension, the result is the sum over neighbours of x[y*w + x] * weight.
func importGridSample(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x, grid := c.in[0], c.in[1]
	if x.rank() != 4 || grid.rank() != 4 || x.spec().DType != tensor.F32 || grid.spec().DType != tensor.F32 {
		return fmt.Errorf("of %v at %v: want images of f32", x.spec(), grid.spec())
	}
	s, g := x.spec().Shape, grid.spec().Shape
	n, ch, h, w := s.Dim(0), s.Dim(1), s.Dim(2), s.Dim(3)
	if g.Dim(0) != n || g.Dim(3) != 2 || h*w < 1 || h*w > 1<<24 { // places are float32
		return fmt.Errorf("of %v at %v", x.spec(), grid.spec())
	}
	gs := &gridSample{call: c, corners: c.bool("align_corners", false)}
	switch m := c.string("mode", "bilinear"); m {
	case "bilinear", "linear":
	case "nearest":
		gs.nearest = true
	default:
		return fmt.Errorf("mode is %q: want bilinear or nearest", m)
	}
	switch p := c.string("padding_mode", "zeros"); p {
	case "zeros":
		gs.zeros = true
	case "border":
	default:
		return fmt.Errorf("padding_mode is %q: want zeros or border", p)
	}
	places := g.Dim(1) * g.Dim(2)
	flat := gs.transposed(x, []int{0, 2, 3, 1})
	flat = gs.reshaped(flat, n, h*w, ch)
	grid = gs.reshaped(grid, n, places, 2)
	across, down := gs.neighbours(gs.column(grid, 0), w), gs.neighbours(gs.column(grid, 1), h)
	var sum *value
	for _, v := range down {
		for _, u := range across {
			at := gs.binary(ops.BinaryAdd, gs.by(ops.BinaryMul, v.at, float32(w)), u.at)
			at = gs.op(&ops.Tile{Repeats: []int{1, 1, ch}}, gs.op(&ops.Cast{To: tensor.I32}, at))
			part := gs.op(&ops.GatherElements{Axis: 1}, flat, at)
			if weight := gs.both(v.weight, u.weight); weight != nil {
				part = gs.binary(ops.BinaryMul, part, weight)
			}
			if sum != nil {
				part = gs.binary(ops.BinaryAdd, sum, part)
			}
			sum = part
		}
	}
	y := gs.transposed(gs.reshaped(sum, n, g.Dim(1), g.Dim(2), ch), []int{0, 3, 1, 2})
	if gs.err == nil {
		c.set(0, y)
	}
	return gs.err
}

// gridSample is one node's work. After an error it does nothing.
type gridSample struct {
	*call
	corners, nearest, zeros bool
	err                     error
}

// neighbour is an index along one dimension and what it counts; a nil weight is 1.
type neighbour struct{ at, weight *value }

// neighbours are those of places from -1 to 1 along a dimension of n.
func (g *gridSample) neighbours(place *value, n int) []neighbour {
	// -1 and 1 are the middles of the first and the last element, or their outer
	// edges: (place+1)/2*(n-1), or ((place+1)*n-1)/2.
	at := g.by(ops.BinaryAdd, place, 1)
	if g.corners {
		at = g.by(ops.BinaryMul, g.by(ops.BinaryDiv, at, 2), float32(n-1))
	} else {
		at = g.by(ops.BinaryDiv, g.by(ops.BinaryAdd, g.by(ops.BinaryMul, at, float32(n)), -1), 2)
	}
	if g.zeros { // further out there is nothing, either, and an infinity would be NaN below
		at = g.clip(at, -2, float32(n+1))
	} else {
		at = g.clip(at, 0, float32(n-1))
	}
	if g.nearest {
		return []neighbour{g.inside(g.unary(ops.UnaryRound, at), nil, n)}
	}
	low := g.unary(ops.UnaryFloor, at)
	part := g.binary(ops.BinarySub, at, low)
	return []neighbour{
		g.inside(low, g.by(ops.BinaryAdd, g.unary(ops.UnaryNeg, part), 1), n),
		g.inside(g.by(ops.BinaryAdd, low, 1), part, n),
	}
}

// inside is element at, a whole number, or the nearest that there is, which counts
// nothing where zeros pad.
func (g *gridSample) inside(at, weight *value, n int) neighbour {
	if g.zeros { // of a whole number from -1 to n this is 1 inside, 0 outside
		from := g.clip(g.by(ops.BinaryAdd, at, 1), 0, 1)
		to := g.clip(g.by(ops.BinaryAdd, g.unary(ops.UnaryNeg, at), float32(n)), 0, 1)
		weight = g.both(weight, g.both(from, to))
	}
	return neighbour{g.clip(at, 0, float32(n-1)), weight}
}

// both is the product of weights.
func (g *gridSample) both(a, b *value) *value {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return g.binary(ops.BinaryMul, a, b)
}

func (g *gridSample) op(op ops.Op, operands ...*value) *value {
	if g.err != nil {
		return nil
	}
	v, err := g.add(g.outName(0), op, operands...)
	g.err = err
	return v
}

func (g *gridSample) unary(fn ops.UnaryFn, v *value) *value { return g.op(&ops.Unary{Fn: fn}, v) }

func (g *gridSample) clip(v *value, lo, hi float32) *value {
	return g.op(&ops.Unary{Fn: ops.UnaryClip, A: lo, B: hi}, v)
}

func (g *gridSample) binary(fn ops.BinaryFn, a, b *value) *value {
	return g.op(&ops.Binary{Fn: fn}, a, b)
}

// by is fn of v and a number.
func (g *gridSample) by(fn ops.BinaryFn, v *value, x float32) *value {
	return g.binary(fn, v, g.known("number", tensor.FromF32([]float32{x})))
}

// column is dimension i of places, [n, p, 1].
func (g *gridSample) column(grid *value, i int) *value {
	return g.op(&ops.Slice{Starts: []int{i}, Ends: []int{i + 1}, Axes: []int{2}}, grid)
}

func (g *gridSample) reshaped(v *value, dims ...int) (w *value) {
	if g.err == nil {
		w, g.err = g.reshape(g.outName(0), v, dims)
	}
	return w
}

func (g *gridSample) transposed(v *value, perm []int) (w *value) {
	if g.err == nil {
		w, g.err = g.transpose(g.outName(0), v, perm)
	}
	return w
}
