package runtime_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/switches"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// TestCompactWeights: weights of dense layers that stay as a file keeps them are the numbers, and give the results, of those
// that are decoded, on every path, at batches of one and of three.
func TestCompactWeights(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	values := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		return x
	}
	const in, mid = 1030, 515
	b := graph.NewBuilder("dense")
	x := b.Input("x", tensor.F32Spec(1, in), true)
	w := values(mid, in)
	clear(w.F32()[in : 2*in]) // a row of zeros
	h := b.Add("a", &ops.Dense{Act: ops.Act{Fn: ops.UnaryRelu}}, []tensor.Tensor{w, values(mid)}, x)
	b.Output("y", b.Add("b", &ops.Dense{}, []tensor.Tensor{values(in, mid)}, h))
	g, err := b.Build()
	require.NoError(t, err)
	for name, c := range map[string]format.Choice{
		"f16": {Encoding: format.F16}, "f16coded": {Encoding: format.F16Coded}, "int8": {Encoding: format.IntCoded, Bits: 8},
		"int4": {Encoding: format.IntCoded, Bits: 4}, "groups": {Encoding: format.IntCoded, Bits: 6, Group: 100},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			require.NoError(t, format.Write(&buf, g, &format.WriteOptions{Encode: func(g *graph.Graph, id graph.ID, i int) format.Choice {
				if i > 0 {
					return format.Choice{}
				}
				return c
			}}))
			plain, err := format.Parse(buf.Bytes())
			require.NoError(t, err)
			compact, err := format.ParseCompact(buf.Bytes())
			require.NoError(t, err)
			kept := 0
			for i := range plain.Graph.Len() {
				for j, p := range plain.Graph.Node(graph.ID(i)).Params {
					q := compact.Graph.Node(graph.ID(i)).Params[j]
					if q.Source() != nil {
						kept++
						require.Empty(t, q.Data)
						part := make([]float32, 333)
						q.Source().Floats(part, 777)
						require.Equal(t, p.F32()[777:777+333], part)
					}
					require.Equal(t, p.F32(), q.F32())
					require.NoError(t, q.Check())
				}
			}
			require.Equal(t, 2, kept)
			require.Less(t, compact.Graph.HeldBytes(), plain.Graph.HeldBytes()*6/10)
			require.Equal(t, plain.Graph.ParamBytes(), compact.Graph.ParamBytes())
			var again, whole bytes.Buffer
			require.NoError(t, format.Write(&again, compact.Graph, nil))
			require.NoError(t, format.Write(&whole, plain.Graph, nil))
			require.True(t, bytes.Equal(whole.Bytes(), again.Bytes()))
			for _, off := range [][]string{nil, {"narrow/avx512"}, {"gemm/avx512"}} {
				for _, s := range off {
					defer switches.Set(s, false)()
				}
				for _, batch := range []int{1, 3} {
					for _, o := range [][]runtime.Option{nil, {runtime.WithReference()}} {
						require.Equal(t, results(t, plain, batch, o), results(t, compact, batch, o), "without %v, batch %d", off, batch)
					}
				}
			}
		})
	}
}

func results(t *testing.T, f *format.File, batch int, o []runtime.Option) []float32 {
	m, err := runtime.FromFile(f, append(o, runtime.WithThreads(2))...)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(batch))
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range s.Input(0).F32() {
		s.Input(0).F32()[i] = float32(r.NormFloat64())
	}
	require.NoError(t, s.Run(context.Background()))
	return append([]float32(nil), s.Output(0).F32()...)
}
