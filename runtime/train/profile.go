package train

import (
	"time"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// LayerTime is what a step spends on one node of the network, the loss being the last.
type LayerTime struct {
	Name string
	Kind ops.Kind
	Out  tensor.Shape
	// Forward is its run and, before it, what packs its weights where that is done in the
	// arena; Backward is the run of its gradient and what clears and makes again
	// what that reads; Update is the optimiser's, where it comes in the node's turn, and a gradient's that is made as it is used.
	Forward, Backward, Update time.Duration
}

// Profile makes each step note how long every layer took. The slice it returns,
// in the network's order, holds the times of the last step.
func (t *Trainer) Profile() []LayerTime {
	if t.times != nil {
		return t.times
	}
	t.times = make([]LayerTime, t.net.g.Len())
	for i := range t.times {
		nd := t.net.g.Node(graph.ID(i))
		t.times[i] = LayerTime{Name: nd.Name, Kind: nd.Op.Kind(), Out: nd.Out.Shape}
	}
	return t.times
}

// timed takes the turn and says in what it took it.
func (r *bwdRun) timed(l *LayerTime) {
	start := time.Now()
	r.differentiate()
	l.Backward = time.Since(start)
	r.learn()
	l.Update = time.Since(start) - l.Backward
}
