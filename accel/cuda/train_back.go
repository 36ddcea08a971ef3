package cuda

import (
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// backward lowers a training step: the forward pass, the loss, each node's
// gradients in reverse, and the update of its weights. Node i runs at step i of
// 2n+3, its gradients at 2n-i; updates that wait for all gradients at 2n+1.
type backward struct {
	*lowering
	c                   *TrainConfig
	n                   int
	scores              graph.ID
	grads               []ref // of values, nowhere before the first comes in
	needs               []bool
	stats               map[graph.ID][2]ref // of batch norms: mean, 1/sqrt(var+eps)
	dropped             []graph.ID
	rates               []float32 // times the step's, other than 1: what they make of its numbers lies behind the keys
	labels, loss        ref
	step, verdict, sums ref // a step's numbers, what they make of an update, sums of squares
}

func newBackward(l *lowering, c *TrainConfig) (*backward, error) {
	g := l.g
	if len(g.Inputs()) != 1 || len(g.Outputs()) != 1 {
		return nil, fmt.Errorf("cuda: training takes networks of one input and one output")
	}
	b := &backward{lowering: l, c: c, n: g.Len(), scores: g.Outputs()[0].ID, stats: map[graph.ID][2]ref{}}
	for n := g.Node(b.scores); n.Op.Kind() == ops.KindSoftmax || n.Op.Kind() == ops.KindIdentity; n = g.Node(b.scores) {
		b.scores = n.In[0]
	}
	b.grads, b.needs, l.lastUse = make([]ref, b.n), make([]bool, b.n), make([]int, b.n)
	for i := range b.n {
		n := g.Node(graph.ID(i))
		l.lastUse[i] = 2*b.n - i // its own gradients are the last to read it
		for j := range n.Params {
			b.needs[i] = b.needs[i] || learns(c, g, graph.ID(i), j)
		}
		for _, x := range n.In {
			b.needs[i] = b.needs[i] || b.needs[x]
		}
	}
	l.lastUse[b.scores] = 2*b.n + 2 // they go out
	return b, nil
}

// all lowers the whole step.
func (b *backward) all(t *Trainer) error {
	fail := func(i graph.ID, err error) error {
		n := b.g.Node(i)
		return fmt.Errorf("cuda: training: %w", &graph.NodeError{ID: i, Name: n.Name, Kind: n.Op.Kind(), Err: err})
	}
	end := 2*b.n + 2
	b.step = b.buffer(4*stepNumbers, -1, end)
	before := b.at(0, 0)
	before.step.cast = true
	t.keep(before)
	b.add(before.step)
	for i := range b.scores + 1 {
		s, err := b.forward(i)
		if err != nil {
			return fail(i, err)
		}
		b.add(s)
	}
	b.findRates(t)
	b.spans[b.step.index].Bytes += 8*len(b.dropped) + 4*stepNumbers*len(b.rates)
	shape := b.g.Node(b.scores).Out.Shape
	if shape.Rank() != 2 || b.values[b.scores].in != inArena {
		return fail(b.scores, fmt.Errorf("scores %v: a row of classes each is wanted", shape))
	}
	if s := &b.spans[b.values[b.scores].index]; s.Last < end {
		s.Last = end
	}
	rows, classes := shape.Dim(0), shape.Dim(1)
	if b.c.ClassWeights != nil && len(b.c.ClassWeights) != classes {
		return fmt.Errorf("cuda: training: %d class weights for %d classes", len(b.c.ClassWeights), classes)
	}
	b.labels, b.loss, b.verdict = b.buffer(4*rows, -1, b.n), b.buffer(4*rows, b.n, end), b.buffer(4*3, b.n, end)
	at0 := b.at(b.scores, b.n)
	b.grads[b.scores] = b.gradient(b.scores, b.n)
	var weights ref
	if b.c.ClassWeights != nil {
		weights = b.made(raw(tensor.FromF32(b.c.ClassWeights, classes)))
	}
	at0.call("lossgrad_f32", [3]int{rows, 1, 1}, []param{at(b.values[b.scores]), at(b.labels), at(weights), at(b.loss), at(b.grads[b.scores])},
		ints(rows, classes), []param{num(float64(b.c.Smoothing))})
	if !accumulates(b.c) {
		b.judge(at0, rows, 0)
	}
	b.add(at0.step)
	for i := b.scores; i >= 0; i-- {
		if !b.needs[i] || b.grads[i].in == nowhere {
			continue
		}
		nd := b.at(i, 2*b.n-int(i))
		updates, err := b.gradients(nd)
		if err != nil {
			return fail(i, err)
		}
		for _, u := range updates {
			if w := t.find(i, u.param); w == nil || !learns(b.c, b.g, i, u.param) {
				continue
			} else if sum, there := w.part(accel.PartGradient); there {
				nd.count("gather_f32", w.elems, []param{at(u.grad), at(sum), at(b.step)}, ints(w.elems))
			} else {
				b.update(nd, w, u.grad)
			}
		}
		b.add(nd.step)
	}
	if accumulates(b.c) {
		b.updateAll(t, rows)
	}
	return nil
}

func (b *backward) add(s step) {
	if len(s.launches) > 0 {
		b.steps = append(b.steps, s)
	}
}

// at is a node at a step of the plan.
func (b *backward) at(id graph.ID, when int) *node {
	n := b.node(id)
	n.y, n.step.at, n.step.cast = b.values[id], when, when >= b.n
	return n
}

// gradient is memory for a value's gradient, from step first on.
func (b *backward) gradient(id graph.ID, first int) ref {
	return b.buffer(b.g.Node(id).Out.Bytes(), first, 2*b.n-int(id))
}

// forward is a node's launches in training: dropout drops, and batch norm has its
// batch's statistics, or frozen ones.
func (b *backward) forward(id graph.ID) (step, error) {
	n := b.g.Node(id)
	switch o := n.Op.(type) {
	case *ops.Dropout:
		if o.Rate == 0 && o.Output == 0 {
			break
		}
		if o.Output != 0 {
			return step{}, fmt.Errorf("a mask has no kernel in training")
		}
		nd := b.at(id, int(id))
		nd.y = b.buffer(n.Out.Bytes(), int(id), 2*b.n-int(id))
		b.values[id] = nd.y
		b.dropped = append(b.dropped, id)
		b.drop(nd, o, nd.operand(0), nd.y)
		return nd.step, nil
	case *ops.BatchNorm:
		return b.norm(id, o)
	}
	return lowerNode(b.lowering, id)
}

// drop launches a node's dropout on its value or on a gradient.
func (b *backward) drop(nd *node, o *ops.Dropout, x, y ref) {
	key, elems := b.step, nd.Out.Shape.Elems()
	key.offset += 4*stepNumbers + 8*slices.Index(b.dropped, nd.id)
	limit, scale := o.Draw()
	nd.count("dropout_f32", (elems+1)/2, []param{at(x), at(key), at(y)}, ints(elems, int(limit)), []param{num(float64(scale))})
}

func (b *backward) norm(id graph.ID, o *ops.BatchNorm) (step, error) {
	n := b.g.Node(id)
	if o.Output != 0 || len(n.Params) != 4 {
		return step{}, fmt.Errorf("batch norm whose statistics are computed has no kernel in training")
	}
	nd := b.at(id, int(id))
	last := 2*b.n - int(id)
	nd.y = b.buffer(n.Out.Bytes(), int(id), last)
	b.values[id] = nd.y
	rows, c, x := n.Out.Shape.Rows(), n.Out.Shape.Channels(), nd.operand(0)
	if b.c.Frozen {
		v := n.Params[3]
		inv := made(fmt.Sprint("inverse ", o.Eps), 4*c, func() ([]byte, error) { return tensor.BytesOf(inverse(v.F32(), o.Eps)), nil }, v)
		b.stats[id] = [2]ref{nd.operand(3), b.made(inv)}
	} else {
		b.stats[id] = [2]ref{b.buffer(4*c, int(id), last), b.buffer(4*c, int(id), last)}
		more := 1.0
		if o.Unbiased && rows > 1 {
			more = float64(rows) / float64(rows-1)
		}
		nd.call("bnstats_f32", [3]int{(c + 31) / 32, 1, 1}, []param{at(x), at(b.stats[id][0]), at(b.stats[id][1]), at(nd.operand(3)), at(nd.operand(4))},
			ints(rows, c), []param{num(float64(o.Eps)), num(float64(o.Momentum)), num(more)})
	}
	s := b.stats[id]
	nd.count("bnapply_f32", rows*c, []param{at(x), at(s[0]), at(s[1]), at(nd.operand(1)), at(nd.operand(2)), at(nd.y)}, ints(rows*c, c))
	return nd.step, nil
}

// inverse is 1/sqrt(v+eps).
func inverse(v []float32, eps float32) []float32 {
	inv := make([]float32, len(v))
	for i := range v {
		inv[i] = float32(1 / math.Sqrt(float64(v[i])+float64(eps)))
	}
	return inv
}

// into is where a node's kernel writes the gradient of input i: the value's own
// memory, or, where some is there already, memory that add brings to it.
func (b *backward) into(nd *node, i int) (to ref, add func()) {
	x := nd.In[i]
	if b.grads[x].in == nowhere {
		b.grads[x] = b.gradient(x, nd.step.at)
		return b.grads[x], func() {}
	}
	elems := b.g.Node(x).Out.Shape.Elems()
	to = nd.scratch(elems)
	return to, func() {
		one := six([]int{elems}, 1)
		along := six([]int{1}, 0)
		nd.count("binary_f32", elems, []param{at(b.grads[x]), at(to), at(b.grads[x])}, ints(elems, binaryAdd),
			ints(one...), ints(along...), ints(along...), []param{int64Of(0), num(0), num(0)})
	}
}

// gradients lowers the gradients of one node.
func (b *backward) gradients(nd *node) ([]learned, error) {
	d := b.grads[nd.id]
	switch o := nd.Op.(type) {
	case *ops.Conv:
		v, err := nd.convWindow(o)
		if err != nil {
			return nil, err
		}
		return b.conv(nd, v, o.Residual, o.Act)
	case *ops.Dense:
		return b.conv(nd, nd.denseWindow(), o.Residual, o.Act)
	case *ops.BatchNorm:
		return b.batchNorm(nd)
	case *ops.Unary:
		lo, hi, ok := ops.Act{Fn: o.Fn, A: o.A, B: o.B}.Clamp()
		if !ok {
			return nil, fmt.Errorf("function %d has no gradient here", o.Fn)
		}
		to, add := b.into(nd, 0)
		nd.count("clampgrad_f32", nd.Out.Shape.Elems(), []param{at(nd.y), at(d), at(to)}, ints(nd.Out.Shape.Elems()), []param{num(float64(lo)), num(float64(hi))})
		add()
		return nil, nil
	case *ops.Binary:
		if o.Fn != ops.BinaryAdd || o.Act.Fn != ops.UnaryNone || len(nd.In) != 2 || nd.spec(0).Shape != nd.spec(1).Shape {
			return nil, fmt.Errorf("only sums of two values of one shape have a gradient here")
		}
		for i := range nd.In {
			b.pass(nd, i, d)
		}
		return nil, nil
	case *ops.Dropout:
		if o.Rate > 0 {
			to, add := b.into(nd, 0)
			b.drop(nd, o, d, to)
			add()
			return nil, nil
		}
		b.pass(nd, 0, d)
		return nil, nil
	case *ops.Reshape, *ops.Identity:
		b.pass(nd, 0, d)
		return nil, nil
	case *ops.Concat:
		return nil, b.concat(nd, o)
	case *ops.Pool:
		return nil, b.pool(nd, o)
	case *ops.GlobalPool:
		return nil, b.globalPool(nd, o)
	case *ops.GroupNorm:
		return b.groupNorm(nd, o)
	case *ops.LayerNorm:
		return b.layerNorm(nd, o)
	case *ops.PRelu:
		return b.prelu(nd)
	}
	return nil, fmt.Errorf("%v has no gradient here", nd.Op.Kind())
}

// pass gives an input the result's gradient as it is.
func (b *backward) pass(nd *node, i int, d ref) {
	if !b.needs[nd.In[i]] {
		return
	}
	elems := nd.Out.Shape.Elems()
	to, add := b.into(nd, i)
	nd.copy(d, to, []int{elems}, []int{1}, 0, []int{1}, 0)
	add()
}

// conv is the gradients of a convolution: of x by its transpose, of weights by
// products with the windows, of the bias by sums.
func (b *backward) conv(nd *node, v window, residual bool, act ops.Act) ([]learned, error) {
	lo, hi, clamps := act.Clamp()
	if residual || !clamps && act.Fn != ops.UnaryNone || len(nd.In) != 1 {
		return nil, fmt.Errorf("a fused function, a residual or weights that are computed have no gradient here")
	}
	d, rows, k := b.grads[nd.id], v.images*v.oh*v.ow, v.kernel[0]*v.kernel[1]*v.c/v.groups
	if rows > math.MaxInt32 || k*v.oc > math.MaxInt32 {
		return nil, fmt.Errorf("%d rows of %d weights are more than kernels count", rows, k)
	}
	if act.Fn != ops.UnaryNone {
		inside, elems := nd.scratch(rows*v.oc), rows*v.oc
		nd.count("clampgrad_f32", elems, []param{at(nd.y), at(d), at(inside)}, ints(elems), []param{num(float64(lo)), num(float64(hi))})
		d = inside
	}
	grid := nd.tiles(k, v.oc/v.groups, v.groups, tile)
	if max(grid[1], grid[2]) > maxGrid {
		return nil, fmt.Errorf("%d groups are more than a grid holds", v.groups)
	}
	var learn []learned
	if learns(b.c, b.g, nd.id, 0) {
		dw := nd.scratch(k * v.oc)
		b.weightGradient(nd, &v, d, dw, grid)
		learn = append(learn, learned{0, dw})
	}
	if len(nd.Params) > 1 && learns(b.c, b.g, nd.id, 1) {
		learn = append(learn, learned{1, b.sum(nd, d, v.oc, 1, rows, v.oc)})
	}
	if b.needs[nd.In[0]] {
		to, add := b.into(nd, 0)
		nd.count("deconv_f32", v.images*v.h*v.w*v.c, []param{at(d), at(nd.operand(1)), at(ref{}), at(to)},
			ints(v.images, v.oh, v.ow, v.oc, v.h, v.w, v.c, v.kernel[0], v.kernel[1], v.stride[0], v.stride[1],
				v.dilation[0], v.dilation[1], v.pad[0], v.pad[1], v.groups), []param{int64Of(0), num(0), num(0)})
		add()
	}
	return learn, nil
}
