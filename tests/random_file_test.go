package tests

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/tests/randgraph"
	"github.com/teff-ml/teff/tools/onnx"
)

// TestRandomNetworksInFiles: a network read back from a file is the one that
// was written, whatever form it is in.
func TestRandomNetworksInFiles(t *testing.T) {
	for seed := range uint64(seedCount(100, 20)) {
		g, err := randgraph.New(seed, randgraph.Options{Fixed: seed%5 == 4})
		require.NoError(t, err)
		if seed%2 == 1 {
			g, err = passes.Infer(g)
			require.NoError(t, err)
		}
		b, err := format.Marshal(g, nil)
		require.NoError(t, err, "seed %d\n%v", seed, g)
		f, err := format.Parse(b)
		require.NoError(t, err, "seed %d\n%v", seed, g)
		require.Equal(t, g.String(), f.Graph.String(), "seed %d", seed)
		in := randgraph.Inputs(g, seed)
		want, err := randgraph.Eval(g, in)
		require.NoError(t, err)
		got, err := randgraph.Eval(f.Graph, in)
		require.NoError(t, err)
		for i := range want {
			require.Equal(t, want[i].Data, got[i].Data, "seed %d output %d", seed, i)
		}
		require.NoError(t, f.Close())
	}
}

// TestRandomNetworksThroughONNX: exported and imported again they compute the
// same. Those that declare an open batch but cannot run at any are refused until
// one is said.
func TestRandomNetworksThroughONNX(t *testing.T) {
	for seed := range uint64(seedCount(100, 20)) {
		g, err := randgraph.New(seed, randgraph.Options{Fixed: seed%5 == 4})
		require.NoError(t, err)
		if seed%2 == 1 {
			g, err = passes.Infer(g)
			require.NoError(t, err)
		}
		var file bytes.Buffer
		require.NoError(t, onnx.Export(&file, g), "seed %d\n%v", seed, g)
		back, err := onnx.ImportBytes(file.Bytes())
		if _, any := g.WithBatch(1009); any != nil && err != nil {
			back, err = onnx.ImportBytes(file.Bytes(), onnx.WithBatch(1))
		}
		require.NoError(t, err, "seed %d\n%v", seed, g)
		in := randgraph.Inputs(g, seed)
		want, err := randgraph.Eval(g, in)
		require.NoError(t, err)
		got, err := randgraph.Eval(back, in)
		require.NoError(t, err)
		for i := range want {
			require.LessOrEqual(t, randgraph.Distance(want[i], got[i]), 1e-4, "seed %d output %d\n%v\nis\n%v", seed, i, g, back)
		}
	}
}
