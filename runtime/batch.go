package runtime

import (
	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/switches"
	"github.com/teff-ml/teff/ops/tensor"
)

// batchApart lets the images of a batch go through a network one after another.
var batchApart = true

func init() { switches.Register("batch/apart", &batchApart) }

// groupCache is what the operands of a layer may take of a second-level cache.
const groupCache = 1 << 20

// leastGroups is how many groups a batch is worth cutting into: of two or three images, that share weights which were read
// for the first, and workers, who wait for the last group alone, hardly any are faster.
const leastGroups = 4

// batchCut says how a batch goes through a graph: the nodes before at by groups of images, from first to last each, and
// those from it on together. There layers have fewer bytes of values than of weights, which are then read once for all.
type batchCut struct {
	at    int
	group int // images
}

// grouping compiles a graph whose batch goes through it by groups of images; the program is nil where all go together.
type grouping func(g *graph.Graph, o accel.Options, packs *ops.PackCache, pl *ops.Workers) (accel.Program, error)

// byGroups is the grouping that moves the fewest bytes.
func byGroups(g *graph.Graph, o accel.Options, packs *ops.PackCache, pl *ops.Workers) (accel.Program, error) {
	if cut := cutBatch(g); cut.at > 0 && batchApart {
		if p, err := compileBatch(g, cut, o, packs, pl); p != nil || err != nil {
			return p, err
		}
	}
	return nil, nil
}

// cutBatch finds the way that moves the fewest bytes past a core's cache. It depends on the graph and its batch alone, as kernels may
// round otherwise for a group; at is 0 where all images go together.
func cutBatch(g *graph.Graph) (c batchCut) {
	one, err := g.WithBatch(1)
	if err != nil || g.Batch() == 1 {
		return c
	}
	limit := apartUntil(g, one)
	moved, most := make([]int, limit), 0 // bytes a node reads and writes
	for i := range limit {
		nd := one.Node(graph.ID(i))
		for _, x := range nd.In {
			moved[i] += one.Node(x).Out.Bytes()
		}
		if nd.Op.Kind() != ops.KindInput {
			moved[i] += nd.Out.Bytes()
		}
		most = max(most, moved[i])
	}
	if c.group = g.Batch() / leastGroups; c.group == 0 || g.Batch()*most <= groupCache {
		return c
	}
	for c.group > 1 && (g.Batch()%c.group != 0 || c.group*most > groupCache) {
		c.group--
	}
	// Of each image: weights before the cut come once a group, behind it once a batch; values behind it come from afar.
	crossing := make([]int, limit+2) // what is more at a cut there than at one before, written and read
	for i, use := range one.Consumers()[:limit] {
		last := i
		for _, u := range use {
			last = min(int(u), limit)
		}
		if nd := one.Node(graph.ID(i)); nd.Op.Kind() != ops.KindConstant {
			crossing[i+1] += 2 * nd.Out.Bytes()
			crossing[last+1] -= 2 * nd.Out.Bytes()
		}
	}
	cost, least, across := 0, 0, 0 // beside that of cutting at 0
	for i := range limit {
		across += crossing[i]
		if cost+across < least {
			c.at, least = i, cost+across
		}
		weights := 0
		for _, p := range one.Node(graph.ID(i)).Params {
			weights += p.Held()
		}
		if cost += weights/c.group - weights/g.Batch(); g.Batch()*moved[i] > groupCache {
			cost -= moved[i]
		}
	}
	if across += crossing[limit]; cost+across < least {
		c.at = limit
	}
	return c
}

// apartUntil is the number of nodes at the start of g that keep samples apart: a sample is at each place of the first
// dimension, and nothing else follows the batch, as g at batch 1 tells.
func apartUntil(g, one *graph.Graph) int {
	apart := make([]bool, g.Len())
	for i := range apart {
		nd, at1 := g.Node(graph.ID(i)), one.Node(graph.ID(i))
		switch nd.Op.Kind() {
		case ops.KindConstant:
			if g.IsOutput(graph.ID(i)) { // nobody's to copy
				return 0
			}
			continue
		case ops.KindInput:
			apart[i] = nd.Op.(*ops.Input).Batch
		default:
			in := make([]bool, len(nd.In))
			specs := make([]tensor.Spec, len(nd.In))
			for j, x := range nd.In {
				in[j], specs[j] = apart[x], g.Node(x).Out
			}
			apart[i] = ops.Apart(nd.Op, specs, nd.Params, in, nd.Out)
		}
		s, t := nd.Out.Shape, at1.Out.Shape
		if !apart[i] || s.Rank() == 0 || s.Dim(0) != g.Batch() || t.Dim(0) != 1 || s.Elems() != g.Batch()*t.Elems() {
			return i
		}
	}
	return len(apart)
}

// partOf is the nodes from one to before another as a graph of n images, and which nodes of g its inputs, its outputs and its
// nodes are; nil where none of them is read any more.
func partOf(g *graph.Graph, from, to, n int) (part *graph.Graph, ins, outs, ids []graph.ID, err error) {
	b := graph.NewBuilderBatch(g.Name(), n)
	m := make([]graph.ID, g.Len())
	for i := range m {
		m[i] = -1
	}
	add := func(id graph.ID) {
		nd := g.Node(id)
		if k := nd.Op.Kind(); int(id) < from && k != ops.KindConstant || k == ops.KindInput {
			m[id] = b.Input(nd.Name, nd.Out, true)
			ins = append(ins, id)
		} else {
			in := make([]graph.ID, len(nd.In))
			for j, x := range nd.In {
				in[j] = m[x]
			}
			m[id] = b.Add(nd.Name, nd.Op, nd.Params, in...)
		}
		ids = append(ids, id)
	}
	uses := g.Consumers()
	for i := range to {
		wanted := i >= from
		for _, u := range uses[i] {
			wanted = wanted || int(u) >= from && int(u) < to
		}
		if wanted {
			add(graph.ID(i))
		}
	}
	for i := range to {
		id := graph.ID(i)
		out := g.IsOutput(id) && i >= from
		for _, u := range uses[i] {
			out = out || int(u) >= to && i >= from
		}
		if k := g.Node(id).Op.Kind(); out && k != ops.KindConstant && k != ops.KindInput { // those are there for all anyway
			b.Output(g.Node(id).Name, m[id])
			outs = append(outs, id)
		}
	}
	if len(outs) > 0 {
		part, err = b.Build()
	}
	return part, ins, outs, ids, err
}
