package ptq

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// peaks are images of noise, one of which in 16 has an object: one place in half a
// million.
type peaks struct{}

func (peaks) Len() int { return 16 }

func (peaks) Fill(i int, in []tensor.Tensor) error {
	rng, v := rand.New(rand.NewPCG(uint64(i), 7)), in[0].F32()
	for j := range v {
		v[j] = float32(rng.NormFloat64()) / 4
	}
	if i == 5 {
		v[1003] = 9
	}
	return nil
}

// heatMap is a head that finds objects: scores, from a few layers of one tap a
// channel, and where each is the largest of its neighbours, as CenterNet has them.
func heatMap(t *testing.T) *graph.Graph {
	const c = 8
	w, bias := make([]float32, c*c), make([]float32, c)
	for i := range c {
		w[i*c+i], bias[i] = 1, -4
	}
	b := graph.NewBuilder("heat map")
	x := b.Input("x", tensor.F32Spec(1, 64, 64, c), true)
	h := b.Add("h", &ops.Conv{}, []tensor.Tensor{tensor.FromF32(w, c, 1, 1, c), tensor.FromF32(bias, c)}, x)
	h = b.Add("heat", &ops.Unary{Fn: ops.UnarySigmoid}, nil, h)
	top := b.Add("top", &ops.Pool{Fn: ops.PoolMax, Window: ops.Window{Kernel: []int{3, 3}, Auto: ops.PadSameUpper}}, nil, h)
	is := b.Add("is", &ops.Cast{To: tensor.F32}, nil, b.Add("equal", &ops.Compare{Fn: ops.CompareEqual}, nil, h, top))
	b.Output("y", b.Add("y", &ops.Binary{Fn: ops.BinaryMul}, nil, h, is))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestAnswers: what is rare in a result is not cut off.
func TestAnswers(t *testing.T) {
	ctx := context.Background()
	for m := range methodNames {
		q, err := Calibrate(ctx, heatMap(t), peaks{}, Options{Method: Method(m)})
		require.NoError(t, err)
		g, err := q.Graph(nil)
		require.NoError(t, err)
		require.Contains(t, g.String(), "i8")
		model, err := runtime.New(g)
		require.NoError(t, err)
		s, err := model.NewSession()
		require.NoError(t, err)
		require.NoError(t, peaks{}.Fill(5, []tensor.Tensor{s.Input(0)}))
		require.NoError(t, s.Run(ctx))
		y := s.Output(0).F32()
		require.Equal(t, slices.Max(y), y[1003], methodNames[m])
		require.InDelta(t, 0.993, y[1003], 0.01, methodNames[m]) // sigmoid(9-4)
		require.NoError(t, model.Close())
	}
}
