package train

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// What a clamped norm made of its input can be made again: one pass over an
// input that is kept anyway, instead of a second value as large that waits for
// the next layer's gradient.

// redo is a value that the backward pass makes again.
type redo struct {
	from graph.ID // the norm
	at   graph.ID // the node whose gradient reads the value first
	span int

	scratch int // span
}

// findRedos gives values to be made again their two shorter lives. It runs when
// last is known and before spans are made.
func (s *schedule) findRedos() {
	g := s.net.g
	readers := g.Consumers()
	for i := range s.n {
		id := graph.ID(i)
		norm, ok := g.Node(id).Op.(*ops.ActivatedNorm)
		if !ok || !norm.Clamps() || !s.runs[id] || !s.needs[id] || s.cfg.Norm != NormBatch || len(g.Node(id).Params) != 4 {
			continue
		}
		view := readers[id][0] // clamps left nothing of its only reader
		if id == s.net.scores || view == s.net.scores || g.IsOutput(view) || s.keep[view] != ops.KeepNone {
			continue
		}
		forward, first, last := view, graph.ID(-1), graph.ID(-1)
		for _, r := range readers[view] {
			if !s.runs[r] {
				continue
			}
			nd := g.Node(r)
			forward = max(forward, r)
			if !s.needs[r] || s.keep[r]&(ops.KeepIn|ops.KeepIn0|ops.KeepIn1) == 0 {
				continue
			}
			if nd.Op.Kind() != ops.KindConv || len(nd.In) != 1 {
				forward = graph.ID(s.n) // only where it surely pays
				break
			}
			if first < 0 || r < first {
				first = r
			}
			last = max(last, r)
		}
		if first < 0 || int(forward) == s.n {
			continue
		}
		s.last[id], s.last[view] = int(forward), int(forward)
		r := &redo{from: id, at: last, span: s.span(g.Node(id).Out.Bytes(), s.back(last)-1, s.back(first))}
		s.redos[view] = r
	}
}

// redone are the values that are made again before the gradient of a node.
func (s *schedule) redone(id graph.ID) []*redo {
	var rs []*redo
	for _, x := range s.net.g.Node(id).In {
		if r := s.redos[x]; r != nil && r.at == id && !slices.Contains(rs, r) {
			rs = append(rs, r)
		}
	}
	return rs
}
