package randgraph

import (
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// step adds one idea to the network: often one node, sometimes a few.
func (g *gen) step() {
	x := g.pick()
	steps := []func(graph.ID){
		g.conv, g.conv, g.conv, g.convTranspose, g.convNCHW, g.convNCHW, g.paddedConv, g.residual,
		g.pool, g.batchNorm, g.batchNorm, g.unary, g.unary, g.unary, g.written,
		g.binaryConst, g.binaryConst, g.binaryConst, g.binary, g.binary, g.squeezeExcite,
		g.concat, g.transpose, g.transpose, g.reshape, g.reshape, g.nothing, g.twice,
		g.matMul, g.attend, g.flattened, g.reduce, g.slice, g.pad, g.softmax, g.constants, g.shuffle, g.resize, g.prelu, g.narrowable,
	}
	steps[g.IntN(len(steps))](x)
}

// spatial reports a value that convolutions take.
func (g *gen) spatial(x graph.ID) (rank int, ok bool) {
	rank = g.shape(x).Rank() - 2
	return rank, rank >= 1 && rank <= 3
}

func (g *gen) ints(n, lo, hi int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = lo + g.IntN(hi-lo+1)
	}
	return v
}

// window is a random window of rank spatial dimensions.
func (g *gen) window(rank int) ops.Window {
	w := ops.Window{Kernel: g.ints(rank, 1, 3)}
	if g.IntN(2) == 0 {
		w.Stride = g.ints(rank, 1, 2)
	}
	if g.IntN(4) == 0 {
		w.Dilation = g.ints(rank, 1, 2)
	}
	switch g.IntN(4) {
	case 0:
		w.PadLo, w.PadHi = make([]int, rank), make([]int, rank)
		for i, k := range w.Kernel {
			w.PadLo[i], w.PadHi[i] = g.IntN(k), g.IntN(k)
		}
	case 1:
		w.Auto = ops.PadSameUpper
	case 2:
		w.Auto = ops.PadValid
	}
	return w
}

func (g *gen) act() ops.Act {
	switch g.IntN(6) {
	case 0:
		return ops.Relu
	case 1:
		return ops.Clip(-1, 2)
	}
	return ops.Act{}
}

func (g *gen) conv(x graph.ID) {
	rank, ok := g.spatial(x)
	if !ok {
		return
	}
	ic := g.shape(x).Channels()
	groups, oc := 1, 1+g.IntN(6)
	switch g.IntN(4) {
	case 0: // depthwise
		groups, oc = ic, ic*(1+g.IntN(2))
	case 1:
		if ic%2 == 0 {
			groups, oc = 2, 2*oc
		}
	}
	g.convOf(x, &ops.Conv{Window: g.window(rank), Groups: groups, Act: g.act()}, oc)
}

func (g *gen) convOf(x graph.ID, c *ops.Conv, oc int) (graph.ID, bool) {
	ic := g.shape(x).Channels()
	dims := append(append([]int{oc}, c.Kernel...), ic/max(c.Groups, 1))
	per := 1
	for _, d := range dims[1:] {
		per *= d
	}
	ts := []tensor.Tensor{g.values(1/math.Sqrt(float64(per)), dims...)}
	if g.IntN(3) == 0 {
		g.prune(ts[0])
	}
	if g.IntN(2) == 0 {
		ts = append(ts, g.values(0.5, oc))
	}
	if g.IntN(2) == 0 {
		c.Kernel = nil // the weight says it
	}
	params, in := g.weights(x, ts...)
	return g.try(c, params, in...)
}

// prune zeroes whole filters of w, or what they do with whole input channels.
func (g *gen) prune(w tensor.Tensor) {
	v := w.F32()
	oc, ic := w.Shape.Dim(0), w.Shape.Channels()
	filters := g.IntN(2) == 0
	for range 1 + g.IntN(3) {
		o, c := g.IntN(oc), g.IntN(ic)
		for i := range v {
			if filters && i/(len(v)/oc) == o || !filters && i%ic == c {
				v[i] = 0
			}
		}
	}
}

func (g *gen) convTranspose(x graph.ID) {
	rank, ok := g.spatial(x)
	if !ok {
		return
	}
	oc := 1 + g.IntN(4)
	c := &ops.ConvTranspose{Window: ops.Window{Kernel: g.ints(rank, 1, 3), Stride: g.ints(rank, 1, 2)}, Act: g.act()}
	dims := append(append([]int{g.shape(x).Channels()}, c.Kernel...), oc)
	ts := []tensor.Tensor{g.values(0.4, dims...)}
	if g.IntN(2) == 0 {
		ts = append(ts, g.values(0.5, oc))
	}
	params, in := g.weights(x, ts...)
	g.try(c, params, in...)
}

// toNCHW and toNHWC are the permutations of n dimensions that importers use.
func toNCHW(n int) []int {
	p := []int{0, n - 1}
	for i := 1; i < n-1; i++ {
		p = append(p, i)
	}
	return p
}

func toNHWC(n int) []int {
	p := []int{0}
	for i := 2; i < n; i++ {
		p = append(p, i)
	}
	return append(p, 1)
}

// convNCHW is a convolution as importers leave it: between transposes.
func (g *gen) convNCHW(x graph.ID) {
	if _, ok := g.spatial(x); !ok {
		return
	}
	rank := g.shape(x).Rank()
	if t, ok := g.try(&ops.Transpose{Perm: toNHWC(rank)}, nil, x); ok {
		g.conv(t)
		g.try(&ops.Transpose{Perm: toNCHW(rank)}, nil, g.vals[len(g.vals)-1])
	}
}

// paddedConv has its padding in a node of its own.
func (g *gen) paddedConv(x graph.ID) {
	rank, ok := g.spatial(x)
	if !ok {
		return
	}
	lo, hi := make([]int, rank+2), make([]int, rank+2)
	copy(lo[1:], g.ints(rank, 0, 2))
	copy(hi[1:], g.ints(rank, 0, 2))
	if p, ok := g.try(&ops.Pad{Lo: lo, Hi: hi}, nil, x); ok {
		if g.IntN(3) == 0 {
			g.pool(p)
			return
		}
		g.convOf(p, &ops.Conv{Window: g.window(rank), Act: g.act()}, 1+g.IntN(4))
	}
}

// residual is a convolution of the same size added to its input, or to another.
func (g *gen) residual(x graph.ID) {
	rank, ok := g.spatial(x)
	if !ok {
		return
	}
	branch := func() (graph.ID, bool) {
		c := &ops.Conv{Window: ops.Window{Kernel: g.ints(rank, 1, 3), Auto: ops.PadSameUpper}}
		return g.convOf(x, c, g.shape(x).Channels())
	}
	y, ok := branch()
	if ok && g.IntN(2) == 0 {
		g.batchNorm(y)
		y = g.vals[len(g.vals)-1]
	}
	other := x
	if g.IntN(3) == 0 {
		if z, is := branch(); is {
			other = z
		}
	}
	if !ok || g.shape(y) != g.shape(other) {
		return
	}
	if g.IntN(2) == 0 {
		y, other = other, y
	}
	s, ok := g.try(&ops.Binary{Fn: ops.BinaryAdd}, nil, y, other)
	if ok && g.IntN(2) == 0 {
		g.try(&ops.Unary{Fn: ops.UnaryRelu}, nil, s)
	}
}

func (g *gen) pool(x graph.ID) {
	rank, ok := g.spatial(x)
	if !ok {
		return
	}
	if g.IntN(4) == 0 {
		g.try(&ops.GlobalPool{Fn: ops.PoolFn(g.IntN(2))}, nil, x)
		return
	}
	w := g.window(rank)
	w.Dilation = nil
	g.try(&ops.Pool{Window: w, Fn: ops.PoolFn(g.IntN(2)), CountIncludePad: g.IntN(2) == 0}, nil, x)
}

func (g *gen) batchNorm(x graph.ID) {
	if g.shape(x).Rank() < 2 {
		return
	}
	c := g.shape(x).Channels()
	params, in := g.weights(x, g.between(-1.5, 1.5, c), g.values(0.5, c), g.values(0.5, c), g.between(0.3, 2, c))
	g.try(&ops.BatchNorm{Eps: 1e-3, Momentum: 0.9}, params, in...)
}

func (g *gen) unary(x graph.ID) {
	us := []ops.Unary{{Fn: ops.UnaryRelu}, {Fn: ops.UnaryRelu}, {Fn: ops.UnaryClip, A: 0, B: 6}, {Fn: ops.UnaryClip, A: -1, B: 1}, {Fn: ops.UnarySigmoid},
		{Fn: ops.UnaryTanh}, {Fn: ops.UnaryLeakyRelu, A: 0.1}, {Fn: ops.UnaryHardSwish}, {Fn: ops.UnarySwish, A: 1}, {Fn: ops.UnaryAbs}, {Fn: ops.UnaryElu, A: 1},
		{Fn: ops.UnaryHardSigmoid, A: 0.2, B: 0.5}, {Fn: ops.UnaryNeg}}
	u := us[g.IntN(len(us))]
	g.try(&u, nil, x)
}

// written is an activation as exporters write it out.
func (g *gen) written(x graph.ID) {
	bin := func(fn ops.BinaryFn, a graph.ID, v float32) graph.ID {
		params, in := g.weights(a, tensor.FromF32([]float32{v}, 1)) // rank 1: a scalar of some exporters
		return g.add(&ops.Binary{Fn: fn}, params, in...)
	}
	mul := func(a, b graph.ID) graph.ID {
		if g.IntN(2) == 0 {
			a, b = b, a
		}
		return g.add(&ops.Binary{Fn: ops.BinaryMul}, nil, a, b)
	}
	un := func(fn ops.UnaryFn, a graph.ID) graph.ID { return g.add(&ops.Unary{Fn: fn}, nil, a) }
	if g.shape(x).Rank() == 0 {
		return
	}
	relu6 := func() graph.ID {
		return g.add(&ops.Unary{Fn: ops.UnaryClip, A: 0, B: 6}, nil, bin(ops.BinaryAdd, x, 3))
	}
	erf := func() graph.ID {
		return bin(ops.BinaryAdd, un(ops.UnaryErf, bin(ops.BinaryDiv, x, math.Sqrt2)), 1)
	}
	switch g.IntN(9) {
	case 0:
		mul(x, un(ops.UnarySigmoid, x))
	case 1:
		bin(ops.BinaryDiv, mul(x, relu6()), 6)
	case 2:
		mul(x, bin(ops.BinaryMul, relu6(), 1.0/6))
	case 3:
		bin(ops.BinaryMul, mul(x, erf()), 0.5)
	case 4:
		mul(bin(ops.BinaryMul, x, 0.5), erf())
	case 5:
		mul(x, un(ops.UnaryTanh, un(ops.UnarySoftplus, x)))
	case 6:
		bin(ops.BinaryMin, bin(ops.BinaryMax, x, 0), 6)
	case 7:
		bin(ops.BinaryMax, bin(ops.BinaryMin, x, 1), -1)
	case 8:
		mul(x, bin(ops.BinaryMul, erf(), 0.5))
	}
}

// narrowable is a chain with filters of zeros whose inner values nobody else
// reads: convolution, what keeps channels apart, convolution.
func (g *gen) narrowable(x graph.ID) {
	rank, ok := g.spatial(x)
	if !ok {
		return
	}
	had := len(g.vals)
	c, ok := g.convOf(x, &ops.Conv{Window: ops.Window{Kernel: g.ints(rank, 1, 3), Auto: ops.PadSameUpper}, Act: g.act()}, 3+g.IntN(4))
	if !ok {
		return
	}
	g.pruneNode(c)
	y := c
	last := func() graph.ID { return g.vals[len(g.vals)-1] }
	for range g.IntN(4) {
		switch g.IntN(7) {
		case 0:
			g.unary(y)
		case 1:
			g.batchNorm(y)
		case 2:
			g.pool(y)
		case 3:
			n := g.shape(y).Channels()
			g.convOf(y, &ops.Conv{Window: g.window(rank), Groups: n, Act: g.act()}, n)
		case 4:
			if z, ok := g.convOf(x, &ops.Conv{Window: ops.Window{Kernel: g.ints(rank, 1, 1)}}, g.shape(y).Channels()); ok {
				g.pruneNode(z)
				if _, ok := g.try(&ops.Binary{Fn: ops.BinaryAdd}, nil, y, z); !ok {
					g.try(&ops.Concat{Axis: -1}, nil, y, y)
				}
			}
		case 5:
			g.try(&ops.Concat{Axis: -1}, nil, y, c)
		case 6:
			g.binaryConst(y)
		}
		y = last()
	}
	if g.IntN(3) == 0 {
		if y, ok = g.try(&ops.Reshape{Dims: []int{0, -1}}, nil, y); ok {
			g.matMul(y)
		}
	} else if g.shape(y).Rank() == rank+2 {
		g.convOf(y, &ops.Conv{Window: g.window(rank)}, 2)
	}
	// Only the end is for others.
	g.vals = append(g.vals[:had], last())
}

// pruneNode zeroes filters of a convolution that has its weights as parameters
// or as constants.
func (g *gen) pruneNode(id graph.ID) {
	n := g.b.Node(id)
	if len(n.Params) > 0 {
		g.prune(n.Params[0])
	} else {
		g.prune(g.b.Node(n.In[1]).Params[0])
	}
}
