package runtime_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// overlaid is a dense layer whose weights, all v, are written to w: memory that
// was another network's, as a file may be mapped where another was.
func overlaid(t *testing.T, w []float32, out int, v float32) *graph.Graph {
	t.Helper()
	for i := range w {
		w[i] = v
	}
	in := len(w) / out
	b := graph.NewBuilder("overlaid")
	x := b.Input("x", tensor.F32Spec(1, in), true)
	b.Output("y", b.Add("fc", &ops.Dense{}, []tensor.Tensor{{Spec: tensor.F32Spec(out, in), Data: tensor.BytesOf(w)}}, x))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestModelsShareCPU: models come and go on one backend, with packed weights in
// Go's heap and outside it. Weights that come to lie where another model's lay are
// not taken for them, and a model that stays is not disturbed.
func TestModelsShareCPU(t *testing.T) {
	for _, in := range []int{40, 40_000} {
		const out = 32
		cpu := runtime.CPU(2)
		w := make([]float32, in*out)
		ones := func(x tensor.Tensor) {
			for i := range x.F32() {
				x.F32()[i] = 1
			}
		}
		model := func(g *graph.Graph) (*runtime.Model, func() float32) {
			m, err := runtime.New(g, runtime.WithBackend(cpu))
			require.NoError(t, err)
			s, err := m.NewSession()
			require.NoError(t, err)
			return m, func() float32 {
				ones(s.Input(0))
				require.NoError(t, s.Run(context.Background()))
				return s.Output(0).F32()[out-1]
			}
		}
		stays, lasting := model(overlaid(t, make([]float32, in*out), out, 7))
		for round := range 3 {
			v := float32(round + 2)
			m, run := model(overlaid(t, w, out, v))
			require.Equal(t, v*float32(in), run(), "weights of round %d", round-1)
			require.NoError(t, m.Close())
			require.Equal(t, 7*float32(in), lasting())
		}
		require.NoError(t, stays.Close())
		for round := range 3 { // programs without a model
			v := float32(round + 2)
			p, err := cpu.Compile(overlaid(t, w, out, v), accel.Options{})
			require.NoError(t, err)
			s, err := p.NewState(nil)
			require.NoError(t, err)
			ones(s.Input(0))
			require.NoError(t, s.Run(context.Background()))
			require.Equal(t, v*float32(in), s.Output(0).F32()[out-1])
		}
		require.NoError(t, cpu.(io.Closer).Close())
	}
}

// TestBatchSizesSharePackedWeights: another batch size packs nothing again.
func TestBatchSizesSharePackedWeights(t *testing.T) {
	cpu := runtime.CPU(1)
	m, err := runtime.New(overlaid(t, make([]float32, 40*32), 32, 1), runtime.WithBackend(cpu))
	require.NoError(t, err)
	first, err := m.Program(2)
	require.NoError(t, err)
	packed := first.Memory().Packed
	require.Positive(t, packed)
	second, err := m.Program(3)
	require.NoError(t, err)
	require.Equal(t, packed, second.Memory().Packed)
	require.NoError(t, m.Close())
	require.NoError(t, cpu.(io.Closer).Close())
}
