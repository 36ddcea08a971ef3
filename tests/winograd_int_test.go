package tests

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/arch"
)

// runChoosing runs g with one choice for all its nodes. winograd is how many
// integer convolutions went by Winograd.
func runChoosing(t *testing.T, g *graph.Graph, c ops.Choice, threads int, in ...tensor.Tensor) (out []tensor.Tensor, winograd int) {
	t.Helper()
	choices := map[string]ops.Choice{}
	for i := range g.Len() {
		choices[g.Node(graph.ID(i)).Name] = c
	}
	m, err := runtime.New(g, runtime.WithChoices(choices), runtime.WithThreads(threads))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	s, err := m.NewSession()
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for i, x := range in {
		copy(s.Input(i).Data, x.Data)
	}
	require.NoError(t, s.Run(context.Background()))
	for i := range s.NumOutputs() {
		out = append(out, s.Output(i).Clone())
	}
	for _, l := range s.Layers() {
		if strings.HasPrefix(l.Path, "winograd-f4/i8") {
			winograd++
		}
	}
	return out, winograd
}

// TestWinogradIntNetworks: networks in integers give the same bits with
// Winograd wherever it can be and without it.
func TestWinogradIntNetworks(t *testing.T) {
	same := func(t *testing.T, g *graph.Graph, x ...tensor.Tensor) int {
		want, n := runChoosing(t, g, ops.Choice{Winograd: ops.WinogradNone}, 1, x...)
		require.Zero(t, n)
		for threads := 1; threads <= 2; threads++ {
			var got []tensor.Tensor
			got, n = runChoosing(t, g, ops.Choice{Winograd: 4}, threads, x...)
			require.Equal(t, want, got, "%d threads", threads)
		}
		return n
	}
	for _, name := range []string{"resnet8", "resnet18"} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "resnet8" {
				t.Skip("a large network")
			}
			g, err := arch.New(name, arch.Options{Seed: 1})
			require.NoError(t, err)
			q, err := ptq.Calibrate(context.Background(), g, noiseSamples(1), ptq.Options{})
			require.NoError(t, err)
			g, err = q.Graph(nil)
			require.NoError(t, err)
			g, err = g.WithBatch(1)
			require.NoError(t, err)
			x := tensor.New(g.Node(g.Inputs()[0]).Out)
			require.NoError(t, noiseSamples(3).Fill(2, []tensor.Tensor{x}))
			t.Logf("%d convolutions by Winograd", same(t, g, x))
		})
	}
	t.Run("tflite", func(t *testing.T) {
		root := shared.Path(t, "golden")
		for _, c := range tfliteGoldens {
			if c.tol != 0 {
				continue
			}
			dir := filepath.Join(root, filepath.FromSlash(c.dir))
			g := importTFLite(t, goldenModel(t, dir))
			for _, n := range goldenInputs(t, dir) {
				in := readTensor(t, filepath.Join(dir, fmt.Sprintf("input_%d.npy", n)))
				t.Logf("%s, input %d: %d convolutions by Winograd", c.dir, n, same(t, g, in))
			}
		}
	})
}
