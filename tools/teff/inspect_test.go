package main

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestInspectManyOutputs: 10,000 results are described in seconds, where the network was once made anew
// for another batch for each.
func TestInspectManyOutputs(t *testing.T) {
	b := graph.NewBuilder("many")
	x := b.Input("x", tensor.F32Spec(1, 8), true)
	for i := range 10_000 {
		b.Output("y"+strconv.Itoa(i), b.Add("", &ops.Unary{Fn: ops.UnaryLeakyRelu, A: float32(i)}, nil, x))
	}
	g, err := b.Build()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "many.teff")
	require.NoError(t, format.WriteFile(file, g, nil))
	start := time.Now()
	outputs := object(t, "outputs", "inspect", file)["outputs"].([]any)
	require.Less(t, time.Since(start), 20*time.Second)
	require.Len(t, outputs, 10_000)
	require.Equal(t, []any{"N", 8.0}, outputs[9_999].(map[string]any)["shape"])
}
