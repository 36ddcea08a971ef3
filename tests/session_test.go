package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// runSession runs a graph as a user would, on the paths that the runtime
// chooses for this machine, and returns copies of its outputs.
func runSession(t *testing.T, g *graph.Graph, in ...tensor.Tensor) []tensor.Tensor {
	t.Helper()
	m, err := runtime.New(g)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	s, err := m.NewSession()
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, len(in), s.NumInputs())
	for i, x := range in {
		require.Equal(t, len(s.Input(i).Data), len(x.Data), "input %d", i)
		copy(s.Input(i).Data, x.Data)
	}
	require.NoError(t, s.Run(context.Background()))
	out := make([]tensor.Tensor, s.NumOutputs())
	for i := range out {
		out[i] = s.Output(i).Clone()
	}
	return out
}
