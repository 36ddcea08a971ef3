package moments

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

func randoms(rng *rand.Rand, dims ...int) tensor.Tensor {
	v := make([]float32, tensor.Of(dims...).Elems())
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return tensor.FromF32(v, dims...)
}

// TestMoments: windows are what a convolution multiplies and means theirs,
// checked against its output.
func TestMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		op     ops.Op
		weight []int
	}{
		"one":       {&ops.Conv{}, []int{5, 1, 1, 8}},
		"padded":    {&ops.Conv{Window: ops.Window{PadLo: []int{1, 2}, PadHi: []int{1, 0}, Stride: []int{2, 1}}}, []int{5, 3, 3, 8}},
		"dilated":   {&ops.Conv{Window: ops.Window{Dilation: []int{2, 2}}}, []int{5, 3, 3, 8}},
		"grouped":   {&ops.Conv{Groups: 2}, []int{6, 3, 2, 4}},
		"depthwise": {&ops.Conv{Groups: 8, Window: ops.Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}}, []int{8, 3, 3, 1}},
		"dense":     {&ops.Dense{}, []int{5, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			b := graph.NewBuilder("n")
			x := b.Input("x", tensor.F32Spec(1, 9, 7, 8), false)
			if name == "dense" {
				x = b.Add("rows", &ops.Reshape{Dims: []int{-1, 8}}, nil, x)
			}
			y := b.Add("y", c.op, []tensor.Tensor{randoms(rng, c.weight...)}, x)
			b.Output("y", y)
			b.Output("seen", x)
			g, err := b.Build()
			require.NoError(t, err)
			list := Find(g, 2)
			require.Len(t, list, 1)
			require.Empty(t, Find(g, 1000))
			p := list[0]
			m, err := runtime.New(g, runtime.WithGraphAsIs())
			require.NoError(t, err)
			defer m.Close()
			s, err := m.NewSession()
			require.NoError(t, err)
			ctx, runs := context.Background(), 3
			w := NewWatch(list, runs, 1)
			defer w.Close()
			oc := c.weight[0]
			mean, square, n := make([]float64, oc), make([]float64, oc), 0.0
			for i := range runs {
				copy(s.Input(0).F32(), randoms(rng, 9, 7, 8).F32())
				require.NoError(t, s.Run(ctx))
				require.NoError(t, w.Look(ctx, i, func(graph.ID) tensor.Tensor { return s.Output(1) }))
				out := s.Output(0).F32()
				for j, v := range out {
					mean[j%oc] += float64(v)
					square[j%oc] += float64(v) * float64(v)
				}
				n += float64(len(out) / oc)
				if p.Window == nil {
					continue
				}
				in := s.Output(1)
				geom, err := p.Window.Resolve(ops.KindConv, in.Shape, c.weight[1:len(c.weight)-1])
				require.NoError(t, err)
				row, icg := make([]float32, p.Cols), 8/p.Groups
				for at := range geom.OutSize() {
					for o := range oc {
						gather(row, in.F32(), &geom, at, 8, o/(oc/p.Groups)*icg, icg)
						want := 0.0
						for i, v := range row {
							want += float64(v) * float64(p.Weight.F32()[o*p.Cols+i])
						}
						require.InDelta(t, want, out[at*oc+o], 5e-5)
					}
				}
			}
			for o := range oc { // a row of zeros loses all of the output
				got := 0.0
				for i, v := range p.seen[o/(oc/p.Groups)].mean {
					got += v / n * float64(p.Weight.F32()[o*p.Cols+i])
				}
				require.InDelta(t, mean[o]/n, got, 5e-6)
			}
			require.NoError(t, w.Finish(ctx, 1e-4, func(*Product) bool { return false }))
			require.Len(t, p.Feedback, p.Groups)
			for o := range oc {
				require.InDelta(t, -mean[o]/n, p.Shift(o, func(int) float64 { return 0 }), 5e-6)
			}
			steps := make([]float32, oc)
			for i := range steps {
				steps[i] = 0.5
			}
			q := p.Round(steps, 127, 0)
			require.Len(t, q, len(p.Weight.F32()))
			for i, v := range p.Weight.F32() {
				require.InDelta(t, v, 0.5*float32(q[i]), 2)
			}
		})
	}
}

// TestOneSample: one input vector has a mean and no variance, and rounding goes to
// what is next.
func TestOneSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	p := &Product{Name: "y", Weight: randoms(rng, 4, 300), Groups: 1, Cols: 300}
	w := NewWatch([]*Product{p}, 1, 1)
	defer w.Close()
	ctx := context.Background()
	x := randoms(rng, 1, 300)
	for i := range x.F32() {
		x.F32()[i] += 100
	}
	require.NoError(t, w.Look(ctx, 0, func(graph.ID) tensor.Tensor { return x }))
	require.NoError(t, w.Finish(ctx, 1e-4, func(*Product) bool { return true }))
	step := []float32{0.5, 0.5, 0.5, 0.5}
	for i, q := range p.Round(step, 127, 0) {
		require.InDelta(t, p.Weight.F32()[i], 0.5*float32(q), 0.26)
	}
}
