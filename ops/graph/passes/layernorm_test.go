package passes

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// writtenOut is a layer norm over the given dimensions as exporters write it, with
// the difference computed once or twice, and with whatever else is told.
func writtenOut(b *graph.Builder, x graph.ID, axes []int, twice bool, fn ops.ReduceFn, scale, bias []tensor.Tensor) graph.ID {
	binary := func(fn ops.BinaryFn, params []tensor.Tensor, in ...graph.ID) graph.ID {
		return b.Add("", &ops.Binary{Fn: fn}, params, in...)
	}
	mean := func(x graph.ID) graph.ID { return b.Add("", &ops.Reduce{Fn: fn, Axes: axes, KeepDims: true}, nil, x) }
	d := binary(ops.BinarySub, nil, x, mean(x))
	e := d
	if twice {
		e = binary(ops.BinarySub, nil, x, mean(x))
	}
	v := binary(ops.BinaryAdd, []tensor.Tensor{tensor.FromF32([]float32{1e-5})}, mean(binary(ops.BinaryMul, nil, e, e)))
	y := binary(ops.BinaryDiv, nil, d, b.Add("", &ops.Unary{Fn: ops.UnarySqrt}, nil, v))
	if scale != nil {
		y = binary(ops.BinaryMul, scale, y)
	}
	if bias != nil {
		y = binary(ops.BinaryAdd, bias, y)
	}
	return y
}

func TestLayerNorm(t *testing.T) {
	at := func(dims ...int) []tensor.Tensor { return []tensor.Tensor{filled(0.5, dims...)} }
	for name, c := range map[string]struct {
		axes        []int
		twice       bool
		scale, bias []tensor.Tensor
		want        []string
	}{
		"channels":            {[]int{-1}, false, at(4), at(4), []string{"LayerNorm"}},
		"twice":               {[]int{3}, true, at(1, 1, 1, 4), at(1, 4), []string{"LayerNorm"}},
		"two dimensions":      {[]int{3, 2}, false, at(8, 4), at(1, 8, 4), []string{"LayerNorm"}},
		"plain":               {[]int{1, 2, 3}, false, nil, nil, []string{"LayerNorm"}},
		"scale alone":         {[]int{-1}, false, at(4), nil, []string{"LayerNorm"}},
		"bias alone":          {[]int{-1}, false, nil, at(4), []string{"LayerNorm", "Binary"}},
		"a scale of its own":  {[]int{-1}, false, at(8, 1), at(4), []string{"LayerNorm", "Binary", "Binary"}},
		"not the last":        {[]int{1}, false, nil, nil, []string{"Reduce", "Binary", "Binary", "Reduce", "Binary", "Unary", "Binary"}},
		"not the last either": {[]int{1, 3}, false, nil, nil, []string{"Reduce", "Binary", "Binary", "Reduce", "Binary", "Unary", "Binary"}},
	} {
		t.Run(name, func(t *testing.T) {
			build := func(b *graph.Builder, x graph.ID) graph.ID {
				return writtenOut(b, x, c.axes, c.twice, ops.ReduceMean, c.scale, c.bias)
			}
			plain := net(t, func(g *graph.Graph) (*graph.Graph, error) { return g, nil }, build)
			g := net(t, Import, build)
			require.Equal(t, c.want, kinds(g), "%v", g)
			x := filled(-3, 1, 8, 8, 4)
			for i := range x.F32() {
				x.F32()[i] += float32(math.Sin(float64(i)))
			}
			want, got := evaluateAll(t, plain, x), evaluateAll(t, g, x)
			for i, v := range want.F32() {
				require.InDelta(t, v, got.F32()[i], 2e-6)
			}
		})
	}
	other := net(t, Import, func(b *graph.Builder, x graph.ID) graph.ID {
		return writtenOut(b, x, []int{-1}, false, ops.ReduceSum, nil, nil)
	})
	require.NotContains(t, kinds(other), "LayerNorm")
}

// TestLayerNormReadTwice: a norm that others read unscaled is not scaled for them.
func TestLayerNormReadTwice(t *testing.T) {
	g := net(t, Import, func(b *graph.Builder, x graph.ID) graph.ID {
		y := writtenOut(b, x, []int{-1}, false, ops.ReduceMean, nil, nil)
		z := b.Add("", &ops.Binary{Fn: ops.BinaryMul}, []tensor.Tensor{filled(2, 4)}, y)
		return b.Add("", &ops.Binary{Fn: ops.BinarySub}, nil, z, y)
	})
	require.Equal(t, []string{"LayerNorm", "Binary", "Binary"}, kinds(g), "%v", g)
}

// evaluateAll is the result of a graph of one input.
func evaluateAll(t *testing.T, g *graph.Graph, x tensor.Tensor) tensor.Tensor {
	t.Helper()
	v := make([]tensor.Tensor, g.Len())
	for i := range v {
		n := g.Node(graph.ID(i))
		if n.Op.Kind() == ops.KindInput {
			v[i] = x
			continue
		}
		var in []tensor.Tensor
		for _, j := range n.In {
			in = append(in, v[j])
		}
		var err error
		v[i], err = ops.Run(n.Op, in, n.Params)
		require.NoError(t, err)
	}
	return v[g.Outputs()[0].ID]
}
