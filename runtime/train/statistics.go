package train

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Batch norm moves its running statistics as it runs, before anyone knows whether the
// minibatch is any good. A step that fails puts back what they were: a copy of a few
// numbers a channel, made before each.

// statistic is a running mean or variance.
type statistic struct {
	node        string
	now, before []float32 // [channels]
}

// isStatistic says that parameter j of a node is a running mean or variance, which moves
// unless norms are frozen.
func isStatistic(n *graph.Node, j int) bool { return n.Op.Kind() == ops.KindBatchNorm && j >= 2 }

// bindStatistics finds what moves.
func (t *Trainer) bindStatistics(s *schedule) {
	for i := range t.net.g.Len() {
		nd := t.net.g.Node(graph.ID(i))
		for j, p := range nd.Params {
			if s.moves(paramKey{graph.ID(i), j}) {
				t.stats = append(t.stats, statistic{nd.Name, p.F32(), make([]float32, p.Shape.Elems())})
			}
		}
	}
}

// moves says that a parameter is a running statistic that a step moves.
func (s *schedule) moves(k paramKey) bool {
	_, live := s.net.live[k]
	return live && s.runs[k.node] && isStatistic(s.net.g.Node(k.node), k.param)
}

// keepStatistics is before a step.
func (t *Trainer) keepStatistics() {
	for _, s := range t.stats {
		copy(s.before, s.now)
	}
}

// undoStatistics is after one that failed.
func (t *Trainer) undoStatistics() {
	for _, s := range t.stats {
		copy(s.now, s.before)
	}
}

// checkStatistics finds those that a minibatch made no numbers though its loss is one.
func (t *Trainer) checkStatistics() error {
	for _, s := range t.stats {
		if !ops.Finite(s.now) {
			return fmt.Errorf("%w: running statistics of %q are no numbers at step %d", ErrDiverged, s.node, t.step)
		}
	}
	return nil
}
