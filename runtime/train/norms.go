package train

import (
	"context"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// HasNorms reports batch norm that can learn or be estimated anew.
func HasNorms(g *graph.Graph) bool {
	for i := range g.Len() {
		if isBatchNorm(g.Node(graph.ID(i))) {
			return true
		}
	}
	return false
}

// isBatchNorm reports a batch norm with running statistics as parameters.
func isBatchNorm(n *graph.Node) bool {
	bn, ok := n.Op.(*ops.BatchNorm)
	return ok && !bn.Training && bn.Output == 0 && len(n.In) == 1 && len(n.Params) == 4
}

// EstimateNorms is g with the running statistics of its batch norms measured
// anew: the mean and variance over the given number of batches, each norm
// applying its batch's own on the way, as it does in training (Wu and Johnson
// 2021, "precise" batch norm). fill writes minibatch i into the network's
// input. A network without batch norm comes back as it is.
func EstimateNorms(g *graph.Graph, batch, batches, threads int, fill func(i int, in tensor.Tensor) error) (*graph.Graph, error) {
	if batch < 1 || batches < 1 {
		return nil, fmt.Errorf("train: statistics of %d batches of %d", batches, batch)
	}
	if g == nil {
		return nil, errNilGraph
	}
	if !HasNorms(g) {
		return g, nil
	}
	probe, names, err := probed(g)
	if err != nil {
		return nil, err
	}
	m, err := runtime.New(probe, runtime.WithThreads(threads))
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	defer m.Close()
	if !m.Compiled().Batched() {
		batch = m.Compiled().Batch()
	}
	s, err := m.NewSession(runtime.WithBatch(batch))
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	defer s.Close()
	sums := make([]moments, len(names))
	for i := range batches {
		if err := fill(i, s.Input(0)); err != nil {
			return nil, err
		}
		if err := s.Run(context.Background()); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		for j := range sums {
			sums[j].add(s.Output(2*j).F32(), s.Output(2*j+1).F32())
		}
	}
	by := map[string]*moments{}
	for j, name := range names {
		by[name] = &sums[j]
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if !isBatchNorm(n) {
			return b.Keep(n, in)
		}
		rows := batch * batches * (n.Out.Shape.Rows() / max(1, g.Batch()))
		mean, variance := by[n.Name].result(rows, n.Op.(*ops.BatchNorm).Unbiased)
		return b.Add(n.Name, n.Op, []tensor.Tensor{n.Params[0], n.Params[1], mean, variance}, in...)
	})
}

// probed is g with norms of the batch, whose outputs are their statistics,
// mean and variance in turn, and the norms' names in that order.
func probed(g *graph.Graph) (*graph.Graph, []string, error) {
	var names []string
	b := graph.NewBuilderBatch(g.Name(), g.Batch())
	m := make([]graph.ID, g.Len())
	var stats []graph.ID
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		in := make([]graph.ID, len(n.In))
		for j, x := range n.In {
			in[j] = m[x]
		}
		if !isBatchNorm(n) {
			m[i] = b.Add(n.Name, n.Op, n.Params, in...)
			continue
		}
		names = append(names, n.Name)
		for out := range 3 {
			op := *n.Op.(*ops.BatchNorm)
			op.Training, op.Momentum, op.Unbiased, op.Output = true, 0, false, out
			id := b.Add(n.Name, &op, n.Params, in...)
			if out == 0 {
				m[i] = id
			} else {
				stats = append(stats, id)
			}
		}
	}
	for j, id := range stats {
		b.Output(fmt.Sprint("statistic ", j), id)
	}
	h, err := b.Build()
	if err != nil {
		return nil, nil, fmt.Errorf("train: %w", err)
	}
	return h, names, nil
}

// moments gathers batches' means and variances.
type moments struct {
	n                  int
	mean, square, vari []float64 // sums of means, of their squares, of variances
}

func (m *moments) add(mean, variance []float32) {
	if m.n == 0 {
		m.mean, m.square, m.vari = make([]float64, len(mean)), make([]float64, len(mean)), make([]float64, len(mean))
	}
	m.n++
	for c, v := range mean {
		m.mean[c] += float64(v)
		m.square[c] += float64(v) * float64(v)
		m.vari[c] += float64(variance[c])
	}
}

// result is the mean and variance over everything; rows is how many numbers a
// channel had.
func (m *moments) result(rows int, unbiased bool) (mean, variance tensor.Tensor) {
	mean, variance = tensor.New(tensor.F32Spec(len(m.mean))), tensor.New(tensor.F32Spec(len(m.mean)))
	for c := range m.mean {
		a := m.mean[c] / float64(m.n)
		v := max(0, m.vari[c]/float64(m.n)+m.square[c]/float64(m.n)-a*a)
		if unbiased && rows > 1 {
			v *= float64(rows) / float64(rows-1)
		}
		mean.F32()[c], variance.F32()[c] = float32(a), float32(v)
	}
	return mean, variance
}
