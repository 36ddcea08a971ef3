package main

import (
	"fmt"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
)

// mixed says of a model whose batch is open which of its layers mix samples, or
// "". Such a model is right at the batch it was traced with alone.
func mixed(g *graph.Graph) string {
	ids := passes.Mixed(g)
	if len(ids) == 0 {
		return ""
	}
	n := g.Node(ids[0])
	s := fmt.Sprintf("Reshape %q from %v to %v", n.Name, g.Node(n.In[0]).Out.Shape, n.Out.Shape)
	if more := len(ids) - 1; more > 0 {
		s += fmt.Sprintf(" (and %d more)", more)
	}
	return s + " does not keep the samples of a batch apart: a batch was fixed where the model was traced, and at others its results are wrong; fix it with --batch, or export the model with shapes computed from tensors"
}
