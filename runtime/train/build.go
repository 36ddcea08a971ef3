package train

import (
	"errors"
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// paramKey names a parameter by its node and place.
type paramKey struct {
	node  graph.ID
	param int
}

// network is the graph that trains: the source's, with live copies of what
// changes, followed by the target's input and the loss.
type network struct {
	source *graph.Graph // training form, at the source's batch
	g      *graph.Graph // at the batch of a step, with target and loss
	live   map[paramKey]tensor.Tensor
	scores graph.ID // what the loss reads
	target graph.ID
	loss   graph.ID
}

var (
	errNilGraph = fmt.Errorf("train: %w", graph.ErrNil)
	errNoOutput = errors.New("train: the network has no output")
)

// build makes the network that trains. Nodes keep their IDs.
func build(g *graph.Graph, c *Config) (*network, error) {
	src, err := passes.Train(g)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if len(src.Outputs()) == 0 {
		return nil, errNoOutput
	}
	if src.Batch() != c.Batch && !src.Batched() {
		return nil, fmt.Errorf("train: the network runs at batch %d only, not %d", src.Batch(), c.Batch)
	}
	if err := c.checkRates(src); err != nil {
		return nil, err
	}
	n := &network{source: src, live: map[paramKey]tensor.Tensor{}}
	b := graph.NewBuilderBatch(src.Name(), c.Batch)
	fused := activated(src)
	for i := range src.Len() {
		nd := src.Node(graph.ID(i))
		op := nd.Op
		if f := fused[graph.ID(i)]; f != nil {
			op = f
		}
		b.Add(nd.Name, op, n.liveParams(graph.ID(i), nd, c), nd.In...)
	}
	if b.Err() != nil {
		return nil, fmt.Errorf("train: %w", b.Err())
	}
	n.scores = scores(src, c.Loss)
	if err := n.addLoss(b, c); err != nil {
		return nil, err
	}
	for _, o := range src.Outputs() {
		b.Output(o.Name, o.ID)
	}
	if n.g, err = b.Build(); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return n, nil
}

// activated are the operators that take the place of a batch norm and of the activation
// that alone reads it: both in one, and nothing.
func activated(g *graph.Graph) map[graph.ID]ops.Op {
	m := map[graph.ID]ops.Op{}
	readers := g.Consumers()
	for i := range g.Len() {
		id := graph.ID(i)
		bn, ok := g.Node(id).Op.(*ops.BatchNorm)
		if !ok || bn.Output != 0 || len(readers[id]) != 1 || g.IsOutput(id) {
			continue
		}
		u, ok := g.Node(readers[id][0]).Op.(*ops.Unary)
		if !ok || u.Fn == ops.UnaryNone {
			continue
		}
		if act := (ops.Act{Fn: u.Fn, A: u.A, B: u.B}); ops.FusesNorm(act) {
			m[id] = &ops.ActivatedNorm{BatchNorm: *bn, Act: act}
			m[readers[id][0]] = &ops.Identity{}
		}
	}
	return m
}

// liveParams are a node's parameters, with copies of those that change: the
// trainable ones and the running statistics.
func (n *network) liveParams(id graph.ID, nd *graph.Node, c *Config) []tensor.Tensor {
	ps := slices.Clone(nd.Params)
	for j, p := range ps {
		if p.DType != tensor.F32 {
			continue
		}
		stats := isStatistic(nd, j) && c.Norm == NormBatch
		if stats || c.learns(nd, j) {
			ps[j] = p.Clone()
			n.live[paramKey{id, j}] = ps[j]
		}
	}
	return ps
}

// learns reports whether parameter j of a node is trained.
func (c *Config) learns(nd *graph.Node, j int) bool {
	if isStatistic(nd, j) || nd.Params[j].DType != tensor.F32 {
		return false
	}
	if c.rate(nd, j) == 0 {
		return false
	}
	if c.Trainable != nil {
		return c.Trainable(nd, j)
	}
	return trainable(nd, j)
}

// scores is what the loss reads: the first output, before the softmax or
// logistic function that the loss applies itself.
func scores(g *graph.Graph, l Loss) graph.ID {
	id := g.Outputs()[0].ID
	for {
		nd := g.Node(id)
		switch op := nd.Op.(type) {
		case *ops.Softmax:
			if l == CrossEntropy {
				id = nd.In[0]
				continue
			}
		case *ops.Unary:
			if l == BinaryCrossEntropy && op.Fn == ops.UnarySigmoid {
				id = nd.In[0]
				continue
			}
		case *ops.Identity:
			id = nd.In[0]
			continue
		}
		return id
	}
}

func (n *network) addLoss(b *graph.Builder, c *Config) error {
	spec := b.Spec(n.scores)
	s := spec.Shape
	if spec.DType != tensor.F32 {
		return fmt.Errorf("train: the network's output is %v, want f32", spec.DType)
	}
	if s.Rank() < 2 || s.Dim(0) != c.Batch {
		return fmt.Errorf("train: the network's output is %v, want [%d, classes]", s, c.Batch)
	}
	batched := n.source.Batched()
	var op ops.Op
	var params []tensor.Tensor
	target := tensor.Spec{DType: tensor.F32, Shape: s}
	switch c.Loss {
	case CrossEntropy:
		op = &ops.SoftmaxCrossEntropy{Axis: -1, Smoothing: c.Smoothing}
		target.DType = tensor.I32
		target.Shape = tensor.Of(s.Dims()[:s.Rank()-1]...)
		if c.ClassWeights != nil {
			if len(c.ClassWeights) != s.Channels() {
				return fmt.Errorf("train: %d class weights for %d classes", len(c.ClassWeights), s.Channels())
			}
			params = append(params, tensor.FromF32(slices.Clone(c.ClassWeights), len(c.ClassWeights)))
		}
	case BinaryCrossEntropy:
		op = &ops.BCELoss{FromLogits: true}
	case MeanSquares:
		op = &ops.MSELoss{}
	}
	n.target = b.Input("train.target", target, batched)
	if c.Loss == Custom { // Σ scores · target, whose gradient is the target
		product := b.Add("train.product", &ops.Binary{Fn: ops.BinaryMul}, nil, n.scores, n.target)
		n.loss = b.Add("train.loss", &ops.Reduce{Fn: ops.ReduceSum}, nil, product)
	} else {
		n.loss = b.Add("train.loss", op, params, n.scores, n.target)
	}
	b.Output("train.loss", n.loss)
	if b.Err() != nil {
		return fmt.Errorf("train: %w", b.Err())
	}
	if b.Spec(n.loss).Shape.Elems() != 1 {
		return fmt.Errorf("BUG: train: the loss is %v", b.Spec(n.loss))
	}
	return nil
}

// snapshot is the source graph with the parameters as they are now.
func (n *network) snapshot() (*graph.Graph, error) {
	return graph.Rewrite(n.source, func(b *graph.Builder, id graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		ps := slices.Clone(nd.Params)
		for j := range ps {
			if t, ok := n.live[paramKey{id, j}]; ok {
				ps[j] = t.Clone()
			}
		}
		return b.Add(nd.Name, nd.Op, ps, in...)
	})
}
