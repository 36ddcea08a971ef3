// Package weightstest makes files of weights for tests.
package weightstest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/weights"
)

// State is a graph's weights as PyTorch's state dict has them: convolutions' with their
// channels first, under the names that rename gives to layers.
func State(t testing.TB, g *graph.Graph, rename func(layer string) string) (names []string, at map[string]tensor.Tensor) {
	t.Helper()
	at = map[string]tensor.Tensor{}
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		for j, p := range n.Params {
			if p.Shape.Rank() == 4 {
				var err error
				p, err = ops.Run(&ops.Transpose{Perm: []int{0, 3, 1, 2}}, []tensor.Tensor{p}, nil)
				require.NoError(t, err)
			}
			name := rename(n.Name) + "." + []string{"weight", "bias", "running_mean", "running_var"}[j]
			names = append(names, name)
			at[name] = p
		}
	}
	return names, at
}

// File is the file of a map's tensors, in the order of names.
func File(t testing.TB, names []string, at map[string]tensor.Tensor) []byte {
	t.Helper()
	all := make([]weights.Named, len(names))
	for i, name := range names {
		all[i] = weights.Named{Name: name, Tensor: at[name]}
	}
	b, err := weights.Safetensors(all)
	require.NoError(t, err)
	return b
}
