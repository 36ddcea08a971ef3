package ptq

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// A value has one scale for all of its channels, so that those with small numbers
// are rounded as coarsely as the largest. Dividing a channel by a factor where it
// is made, and multiplying the weights that read it, changes nothing but that: a
// network's channels are balanced by dividing each by a power of the share of the
// range that it uses. The whole share costs weights what it saves values, since
// their scales are an output's and not an input's (Xiao et al., SmoothQuant,
// 2022, have one power for all layers); the power is the one with the least noise
// expected, of both, at the products that read the values.

// powers are what is tried. Beyond the root every channel would fill the range to
// its end, and what samples did not show of any of them would be cut off: the
// larger error, in networks that were tried.
var powers = [...]float64{0, 0.25, 0.5}

// leastShare is the smallest share that counts: what a channel does on samples
// is not all that it will do.
const leastShare = 1.0 / 32

// balancer holds the channels of all values as slots; those that must have the
// same factor are tied. Values with tied channels are a group.
type balancer struct {
	g      *graph.Graph
	seen   []*spread // by node
	first  []int     // slot of a node's channel 0; of what has no channels that of the next
	slot   ties
	group  ties
	frozen []bool      // by root slot
	share  []float64   // by root slot: the largest part of a value's range that it uses
	weigh  []float64   // by root slot: what its noise does, in squares, to the products that read it
	plain  []bool      // by node: something else reads it too, as a result of the network does
	heard  [][]float64 // by node and channel: see hear
}

// balance is the graph balanced, with the factors that each value's channels were divided
// by; nil: none.
func (b *balancer) balance(nearest bool) (*graph.Graph, [][]float64, error) {
	g := b.g
	power := map[int]float64{} // by group
	cost := map[int]float64{}
	for _, p := range powers {
		for group, c := range b.costs(p, nearest) {
			if was, ok := cost[group]; !ok || c < was {
				cost[group], power[group] = c, p
			}
		}
	}
	factor := make([][]float64, g.Len())
	for i := range factor {
		if p := power[b.group.root(i)]; p > 0 {
			factor[i] = b.factors(i, p)
		}
	}
	balanced, err := graph.Rewrite(g, func(to *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if !isProduct(n) || factor[id] == nil && factor[n.In[0]] == nil {
			return to.Keep(n, in)
		}
		params := slices.Clone(n.Params)
		for i := range params {
			params[i] = params[i].Clone()
		}
		rescale(n, params, factor[n.In[0]], factor[id])
		return to.Add(n.Name, n.Op, params, in...)
	})
	return balanced, factor, err
}

// isProduct reports that n's weights are known.
func isProduct(n *graph.Node) bool {
	switch n.Op.(type) {
	case *ops.Conv, *ops.Dense:
		return n.Out.DType == tensor.F32 && len(n.In) == 1 && len(n.Params) > 0 && n.Params[0].DType == tensor.F32
	}
	return false
}

// reads is the first input channel that output o of a product reads, and how
// many.
func reads(n *graph.Node, o int) (first, channels int) {
	w := n.Params[0].Shape
	channels = w.Channels()
	if c, ok := n.Op.(*ops.Conv); ok {
		groups := max(1, c.Groups)
		first = o / max(1, w.Dim(0)/groups) * channels
	}
	return first, channels
}

func rescale(n *graph.Node, params []tensor.Tensor, in, out []float64) {
	w := params[0].F32()
	oc := params[0].Shape.Dim(0)
	row := len(w) / max(1, oc)
	for o := range oc {
		first, channels := reads(n, o)
		div := 1.0
		if out != nil {
			div = out[o]
		}
		for i := range row {
			f := 1.0
			if in != nil {
				f = in[first+i%channels]
			}
			w[o*row+i] = float32(float64(w[o*row+i]) * f / div)
		}
		if len(params) > 1 {
			b := params[1].F32()
			b[o] = float32(float64(b[o]) / div)
		}
	}
}

func newBalancer(g *graph.Graph, seen []*spread) *balancer {
	b := &balancer{g: g, seen: seen, first: make([]int, g.Len()+1), group: newTies(g.Len()), plain: make([]bool, g.Len())}
	for i := range g.Len() {
		b.first[i+1] = b.first[i]
		if s := seen[i]; s != nil && g.Node(graph.ID(i)).Out.Shape.Rank() >= 2 {
			b.first[i+1] += len(s.lo)
		}
	}
	n := b.first[g.Len()]
	b.slot, b.frozen = newTies(n), make([]bool, n)
	b.share, b.weigh = make([]float64, n), make([]float64, n)
	fixed := make([]bool, n)
	for i := range g.Len() {
		b.tie(graph.ID(i), fixed)
	}
	for s, f := range fixed {
		if f {
			b.frozen[b.slot.root(s)] = true
		}
	}
	for i := range g.Len() {
		b.see(graph.ID(i))
	}
	b.hear()
	return b
}

func (b *balancer) width(id graph.ID) int { return b.first[id+1] - b.first[id] }

// same ties the channels of x and y from channel at of y on.
func (b *balancer) same(x, y graph.ID, at int) {
	b.group.join(int(x), int(y))
	for c := range b.width(x) {
		b.slot.join(b.first[x]+c, b.first[y]+at+c)
	}
}

// tie says what the channels of node id have to do with those of its inputs; fixed
// are those that stay.
func (b *balancer) tie(id graph.ID, fixed []bool) {
	n := b.g.Node(id)
	fix := func(id graph.ID) {
		for s := b.first[id]; s < b.first[id+1]; s++ {
			fixed[s] = true
		}
	}
	if b.g.IsOutput(id) {
		fix(id)
		b.plain[id] = true
	}
	if isProduct(n) {
		if !homogeneous(productAct(n)) {
			fix(id)
		}
		return
	}
	if at := 0; b.moves(n, id) {
		for _, x := range n.In {
			b.same(x, id, at)
			if n.Op.Kind() == ops.KindConcat {
				at += b.width(x)
			}
		}
		return
	}
	fix(id)
	for _, x := range n.In {
		fix(x)
		b.plain[x] = true
	}
}

func productAct(n *graph.Node) ops.Act {
	switch op := n.Op.(type) {
	case *ops.Conv:
		return op.Act
	case *ops.Dense:
		return op.Act
	}
	return ops.Act{}
}

// homogeneous reports that a factor can be taken through a. The limit of a clip
// from 0 stays what it is: a channel is divided by no more than makes its largest
// value the largest of all, so the limit is beyond what was seen of it, as the
// range of its integers is.
func homogeneous(a ops.Act) bool {
	switch a.Fn {
	case ops.UnaryNone, ops.UnaryRelu, ops.UnaryLeakyRelu:
		return true
	case ops.UnaryClip:
		return a.A == 0
	}
	return false
}

// moves reports that channels of n's result are those of its inputs, a factor
// included.
func (b *balancer) moves(n *graph.Node, id graph.ID) bool {
	if len(n.In) == 0 || b.width(id) == 0 {
		return false
	}
	sum := 0
	for _, x := range n.In {
		if sum += b.width(x); b.width(x) == 0 || n.Op.Kind() != ops.KindConcat && b.width(x) != b.width(id) {
			return false
		}
	}
	switch op := n.Op.(type) {
	case *ops.Unary:
		return homogeneous(ops.Act{Fn: op.Fn, A: op.A, B: op.B})
	case *ops.Pool:
		return op.Output == 0 && op.Fn != ops.PoolLp && homogeneous(op.Act)
	case *ops.GlobalPool:
		return op.Fn != ops.PoolLp
	case *ops.Binary:
		return len(n.Params) == 0 && (op.Fn == ops.BinaryAdd || op.Fn == ops.BinarySub) && homogeneous(op.Act)
	case *ops.Concat:
		return len(n.Params) == 0 && (op.Axis == -1 || op.Axis == n.Out.Shape.Rank()-1) && sum == b.width(id)
	case *ops.Reshape, *ops.Identity:
		return true
	case *ops.Pad:
		last := len(op.Lo) - 1
		return op.Mode == ops.PadConstant && op.Value == 0 && last >= 0 && op.Lo[last] == 0 && op.Hi[last] == 0
	}
	return false
}

// see adds to the slots' shares and weights.
func (b *balancer) see(id graph.ID) {
	s := b.seen[id]
	if s == nil || b.width(id) == 0 {
		return
	}
	top := 0.0
	for c := range s.lo {
		top = max(top, s.hi[c], -s.lo[c])
	}
	for c := range s.lo {
		r := b.slot.root(b.first[id] + c)
		b.share[r] = max(b.share[r], leastShare, max(s.hi[c], -s.lo[c])/max(top, 1e-30))
	}
	n := b.g.Node(id)
	if !isProduct(n) || b.width(n.In[0]) == 0 {
		return
	}
	b.reach(id, func(c int, noise float64) { b.weigh[b.slot.root(b.first[n.In[0]]+c)] += noise })
}

// energy is how much a product's outputs vary, in all.
func (b *balancer) energy(id graph.ID) float64 {
	sum := 0.0
	for c := range b.seen[id].lo {
		sum += b.seen[id].variance(c)
	}
	return max(sum, 1e-30)
}

// factors are those of a value's channels with a power.
func (b *balancer) factors(id int, power float64) []float64 {
	f := make([]float64, b.width(graph.ID(id)))
	for c := range f {
		r := b.slot.root(b.first[id] + c)
		if f[c] = 1; !b.frozen[r] {
			f[c] = math.Pow(b.share[r], power)
		}
	}
	return f
}

// weights is what a squared error counts in channels divided by factor; nil: nothing
// reads them. Where products read all channels, or what these are parts of or made of,
// they say so; else what hear finds.
func (b *balancer) weights(id graph.ID, factor []float64) []float64 {
	w, sum := make([]float64, b.width(id)), 0.0
	for c := range w {
		w[c] = b.weigh[b.slot.root(b.first[id]+c)]
	}
	if slices.Contains(w, 0) {
		copy(w, b.heard[id])
	}
	for c := range w {
		if factor != nil {
			w[c] *= factor[c] * factor[c]
		}
		sum += w[c]
	}
	if sum == 0 {
		return nil
	}
	for c := range w {
		w[c] *= float64(len(w)) / sum
	}
	return w
}

// costs is the noise expected with a power, by group: of values over step² / 12
// at all that reads their channels, of weights over theirs.
func (b *balancer) costs(power float64, nearest bool) map[int]float64 {
	cost := map[int]float64{}
	for i, s := range b.seen {
		id := graph.ID(i)
		if s == nil || b.width(id) == 0 {
			continue
		}
		f := b.factors(i, power)
		lo, hi, sum := 0.0, 0.0, 0.0
		for c := range f {
			lo, hi = min(lo, s.lo[c]/f[c]), max(hi, s.hi[c]/f[c])
			sum += f[c] * f[c] * b.weigh[b.slot.root(b.first[id]+c)]
		}
		step := (hi - lo) / 255
		cost[b.group.root(i)] += step * step / 12 * sum
		n := b.g.Node(id)
		if !isProduct(n) || b.width(n.In[0]) == 0 {
			continue
		}
		// Feedback leaves about half of what rounding to the nearest does.
		noise := b.weightNoise(n, b.factors(int(n.In[0]), power)) / b.energy(id)
		if !nearest {
			noise /= 2
		}
		cost[b.group.root(int(n.In[0]))] += noise
	}
	return cost
}

// weightNoise is what rounding n's weights adds to its outputs, with factors f of
// its input.
func (b *balancer) weightNoise(n *graph.Node, f []float64) float64 {
	w := n.Params[0].F32()
	oc := n.Params[0].Shape.Dim(0)
	row := len(w) / max(1, oc)
	x := b.seen[n.In[0]]
	sum := 0.0
	for o := range oc {
		first, channels := reads(n, o)
		top, in := 0.0, 0.0
		for i, v := range w[o*row:][:row] {
			top = max(top, math.Abs(float64(v))*f[first+i%channels])
		}
		for c := range channels {
			g := f[first+c]
			in += x.variance(first+c) / (g * g)
		}
		sum += top * top / (127 * 127 * 12) * in * float64(row/max(1, channels))
	}
	return sum
}
