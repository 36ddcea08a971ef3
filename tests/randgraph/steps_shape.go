package randgraph

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// binaryConst is arithmetic with a constant: one number, one for each channel,
// one for each element, or one along a random dimension.
func (g *gen) binaryConst(x graph.ID) {
	d := g.shape(x).Dims()
	if len(d) == 0 {
		return
	}
	dims := make([]int, len(d))
	for i := range dims {
		dims[i] = 1
	}
	switch g.IntN(6) {
	case 0:
		dims = nil
	case 1:
		dims = []int{1}
	case 2:
		i := g.IntN(len(d))
		if i > 0 { // the batch is not to be broadcast to
			dims[i] = d[i]
		}
	case 3:
		copy(dims[1:], d[1:])
	default:
		if dims = []int{d[len(d)-1]}; len(d) == 1 {
			dims[0] = 1
		}
	}
	fn := []ops.BinaryFn{ops.BinaryAdd, ops.BinaryAdd, ops.BinaryMul, ops.BinaryMul, ops.BinarySub, ops.BinaryDiv, ops.BinaryMax, ops.BinaryMin}[g.IntN(8)]
	v := g.between(0.5, 2, dims...)
	if fn == ops.BinaryAdd && g.IntN(8) == 0 {
		v = tensor.New(v.Spec) // nothing is added
	}
	op := &ops.Binary{Fn: fn, Act: g.act()}
	if g.IntN(4) == 0 && fn != ops.BinaryDiv { // the constant first
		g.try(op, nil, g.b.Const("", v), x)
		return
	}
	params, in := g.weights(x, v)
	g.try(op, params, in...)
}

// binary is arithmetic on two values that broadcast.
func (g *gen) binary(x graph.ID) {
	fn := []ops.BinaryFn{ops.BinaryAdd, ops.BinaryAdd, ops.BinarySub, ops.BinaryMul, ops.BinaryMax, ops.BinaryMin}[g.IntN(6)]
	for range 6 {
		y := g.pick()
		if s, t := g.shape(x), g.shape(y); s.Rank() > 0 && t.Rank() > 0 && s.Dim(0) == t.Dim(0) && s.Rank() == t.Rank() {
			if _, ok := g.try(&ops.Binary{Fn: fn, Act: g.act()}, nil, x, y); ok {
				return
			}
		}
	}
}

// squeezeExcite scales channels by a function of their means.
func (g *gen) squeezeExcite(x graph.ID) {
	if _, ok := g.spatial(x); !ok {
		return
	}
	var axes []int
	for i := 1; i < g.shape(x).Rank()-1; i++ {
		axes = append(axes, i)
	}
	m, ok := g.try(&ops.Reduce{Fn: ops.ReduceMean, Axes: axes, KeepDims: true}, nil, x)
	if !ok {
		return
	}
	c := g.shape(x).Channels()
	if m, ok = g.convOf(m, &ops.Conv{Window: ops.Window{Kernel: g.ints(len(axes), 1, 1)}}, c); !ok {
		return
	}
	if s, ok := g.try(&ops.Unary{Fn: ops.UnarySigmoid}, nil, m); ok {
		g.try(&ops.Binary{Fn: ops.BinaryMul}, nil, x, s)
	}
}

func (g *gen) concat(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 2 {
		return
	}
	op := &ops.Concat{Axis: 1 + g.IntN(rank-1)}
	if g.IntN(3) == 0 {
		op.Axis -= rank
	}
	in := []graph.ID{x}
	for range 4 {
		if y := g.pick(); g.fits(op, nil, append(in, y)...) {
			in = append(in, y)
		}
	}
	g.try(op, nil, in...)
}

func (g *gen) transpose(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 2 {
		return
	}
	var p []int
	switch g.IntN(6) {
	case 0:
		p = g.Perm(rank)
	case 1:
		p = nil // reverse
	case 2, 3:
		p = toNCHW(rank)
	case 4:
		p = toNHWC(rank)
	case 5:
		p = []int{0}
		for _, i := range g.Perm(rank - 1) {
			p = append(p, 1+i)
		}
	}
	g.try(&ops.Transpose{Perm: p}, nil, x)
}

// reshape flattens, splits or joins dimensions, or does nothing.
func (g *gen) reshape(x graph.ID) {
	d := g.shape(x).Dims()
	if len(d) < 2 {
		return
	}
	var dims []int
	switch i := 1 + g.IntN(len(d)-1); g.IntN(6) {
	case 0:
		dims = []int{0, -1}
	case 1:
		dims = []int{-1, d[len(d)-1]}
	case 2: // split one
		if d[i]%2 != 0 {
			return
		}
		dims = append(append([]int{0}, d[1:i]...), 2, d[i]/2)
		dims = append(dims, d[i+1:]...)
	case 3: // join two
		if i+1 >= len(d) {
			return
		}
		dims = append(append([]int{0}, d[1:i]...), d[i]*d[i+1])
		dims = append(dims, d[i+2:]...)
	case 4: // an extent of 1 more
		dims = append(append([]int{0}, d[1:i]...), 1)
		dims = append(dims, d[i:]...)
	case 5: // or less
		if d[i] != 1 {
			return
		}
		dims = append(append([]int{0}, d[1:i]...), d[i+1:]...)
	}
	if len(dims) > 5 {
		return
	}
	g.try(&ops.Reshape{Dims: dims}, nil, x)
}

// shuffle is ShuffleNet's exchange of channels between two groups, in the
// layout in which it is written: channels in dimension 1.
func (g *gen) shuffle(x graph.ID) {
	d := g.shape(x).Dims()
	if len(d) != 4 || d[1]%2 != 0 {
		return
	}
	if y, ok := g.try(&ops.Reshape{Dims: []int{0, 2, d[1] / 2, d[2], d[3]}}, nil, x); ok {
		y = g.add(&ops.Transpose{Perm: []int{0, 2, 1, 3, 4}}, nil, y)
		g.add(&ops.Reshape{Dims: []int{0, -1, d[2], d[3]}}, nil, y)
	}
}

// nothing adds what changes nothing.
func (g *gen) nothing(x graph.ID) {
	rank := g.shape(x).Rank()
	switch g.IntN(8) {
	case 0:
		g.try(&ops.Identity{}, nil, x)
	case 1:
		g.try(&ops.Dropout{Rate: 0.5}, nil, x)
	case 2:
		if rank >= 2 {
			y := g.add(&ops.Transpose{Perm: toNCHW(rank)}, nil, x)
			g.add(&ops.Transpose{Perm: toNHWC(rank)}, nil, y)
		}
	case 3:
		g.try(&ops.Cast{To: tensor.F32}, nil, x)
	case 4:
		g.try(&ops.Concat{Axis: -1}, nil, x)
	case 5:
		g.try(&ops.Pad{Lo: make([]int, rank), Hi: make([]int, rank)}, nil, x)
	case 6:
		g.try(&ops.Slice{Starts: []int{0}, Ends: []int{1 << 30}}, nil, x)
	case 7:
		if rank >= 1 {
			g.try(&ops.Reshape{Dims: append([]int{0}, g.shape(x).Dims()[1:]...)}, nil, x)
		}
	}
}

// twice computes the same value two times.
func (g *gen) twice(x graph.ID) {
	u := ops.Unary{Fn: ops.UnaryAbs}
	v := u
	a, ok := g.try(&u, nil, x)
	if b, is := g.try(&v, nil, x); ok && is {
		g.try(&ops.Binary{Fn: ops.BinaryAdd}, nil, a, b)
	}
}

// matMul is a product with constant weights, with and without a bias.
func (g *gen) matMul(x graph.ID) {
	d := g.shape(x).Dims()
	if len(d) < 2 {
		return
	}
	in, out := d[len(d)-1], 1+g.IntN(6)
	var y graph.ID
	ok := false
	switch g.IntN(3) {
	case 0:
		params, ids := g.weights(x, g.values(0.3, in, out))
		y, ok = g.try(&ops.MatMul{Alpha: []float32{0, 1, 0.5}[g.IntN(3)]}, params, ids...)
	case 1:
		params, ids := g.weights(x, g.values(0.3, out, in))
		y, ok = g.try(&ops.MatMul{TransB: true}, params, ids...)
	case 2:
		params, ids := g.weights(x, g.values(0.3, out, in))
		y, ok = g.try(&ops.Dense{Act: g.act()}, params, ids...)
	}
	if ok && g.IntN(2) == 0 {
		params, ids := g.weights(y, g.values(0.5, out))
		g.try(&ops.Binary{Fn: ops.BinaryAdd}, params, ids...)
	}
}

// attend is a product of a value with itself, transposed.
func (g *gen) attend(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 3 {
		return
	}
	p := make([]int, rank)
	for i := range p {
		p[i] = i
	}
	p[rank-1], p[rank-2] = rank-2, rank-1
	t := g.add(&ops.Transpose{Perm: p}, nil, x)
	in := []graph.ID{x, t}
	if g.IntN(2) == 0 {
		in = []graph.ID{t, x}
	}
	op := &ops.MatMul{Alpha: 0.25}
	if g.IntN(3) == 0 {
		in[0], in[1], op.TransB = x, x, true
	}
	if y, ok := g.try(op, nil, in...); ok {
		g.try(&ops.Softmax{Axis: -1}, nil, y)
	}
}

// flattened is the end of a classic network: transposed, flattened, multiplied.
func (g *gen) flattened(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 3 {
		return
	}
	y := g.add(&ops.Transpose{Perm: toNCHW(rank)}, nil, x)
	if z, ok := g.try(&ops.Reshape{Dims: []int{0, -1}}, nil, y); ok {
		if g.IntN(3) == 0 {
			z = g.add(&ops.Dropout{Rate: 0.5}, nil, z)
		}
		g.matMul(z)
	}
}

func (g *gen) reduce(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 2 {
		return
	}
	op := &ops.Reduce{Fn: []ops.ReduceFn{ops.ReduceMean, ops.ReduceSum, ops.ReduceMax, ops.ReduceMin}[g.IntN(4)], KeepDims: g.IntN(2) == 0}
	for i := 1; i < rank; i++ {
		if g.IntN(2) == 0 {
			op.Axes = append(op.Axes, i-rank*g.IntN(2))
		}
	}
	if len(op.Axes) > 0 {
		g.try(op, nil, x)
	}
}

func (g *gen) slice(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 2 {
		return
	}
	a := 1 + g.IntN(rank-1)
	op := &ops.Slice{Starts: []int{g.IntN(2)}, Ends: []int{1 << 30}, Axes: []int{a - rank*g.IntN(2)}, Steps: []int{1 + g.IntN(2)}}
	if g.IntN(4) == 0 {
		op = &ops.Slice{Starts: []int{-1}, Ends: []int{-1 << 30}, Axes: op.Axes, Steps: []int{-1}}
	}
	g.try(op, nil, x)
}

func (g *gen) pad(x graph.ID) {
	rank := g.shape(x).Rank()
	if rank < 2 {
		return
	}
	op := &ops.Pad{Lo: make([]int, rank), Hi: make([]int, rank), Mode: []ops.PadMode{ops.PadConstant, ops.PadConstant, ops.PadEdge}[g.IntN(3)]}
	for i := 1; i < rank; i++ {
		op.Lo[i], op.Hi[i] = g.IntN(2), g.IntN(2)
	}
	if g.IntN(2) == 0 {
		op.Value = 0.5
	}
	g.try(op, nil, x)
}

func (g *gen) softmax(x graph.ID) {
	if rank := g.shape(x).Rank(); rank >= 2 {
		g.try(&ops.Softmax{Axis: 1 + g.IntN(rank-1) - rank*g.IntN(2), Log: g.IntN(4) == 0}, nil, x)
	}
}

// constants adds something computed from constants alone.
func (g *gen) constants(x graph.ID) {
	c := g.shape(x).Channels()
	k := g.b.Add("", &ops.Binary{Fn: ops.BinaryAdd}, nil, g.b.Const("", g.values(1, c)), g.b.Const("", g.values(1, c)))
	k = g.b.Add("", &ops.Unary{Fn: ops.UnarySigmoid}, nil, k)
	if g.shape(x).Rank() > 0 {
		g.try(&ops.Binary{Fn: ops.BinaryMul}, nil, x, k)
	}
}

func (g *gen) resize(x graph.ID) {
	if rank := g.shape(x).Rank(); rank == 4 {
		op := &ops.Resize{Mode: ops.ResizeMode(g.IntN(2)), Coord: ops.CoordHalfPixel, Sizes: []int{0, 2 * g.shape(x).Dim(1), 3, 0}}
		g.try(op, nil, x)
	}
}

func (g *gen) prelu(x graph.ID) {
	if g.shape(x).Rank() >= 2 {
		params, in := g.weights(x, g.values(0.2, g.shape(x).Channels()))
		g.try(&ops.PRelu{}, params, in...)
	}
}
