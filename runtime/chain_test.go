package runtime_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// block is a pointwise convolution, a depthwise one and a pointwise one, or two
// of them. When shown, what lies between is an output too, so that nothing may
// hide it.
type block struct {
	h, w, in, wide, out      int
	k, stride, padLo, padHi  int
	expand, project, swish   bool
	residual, shown, dilated bool
}

func (c block) graph(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64() / 4)
		}
		return x
	}
	act := ops.Clip(0, 6)
	if c.swish {
		act = ops.Act{Fn: ops.UnarySwish}
	}
	b := graph.NewBuilder("block")
	x := b.Input("x", tensor.F32Spec(1, c.h, c.w, c.in), true)
	y := x
	if c.expand {
		y = b.Add("expand", &ops.Conv{Act: act}, []tensor.Tensor{random(c.wide, 1, 1, c.in), random(c.wide)}, y)
		if c.shown {
			b.Output("expanded", y)
		}
	}
	win := ops.Window{Stride: []int{c.stride, c.stride}, PadLo: []int{c.padLo, c.padLo}, PadHi: []int{c.padHi, c.padHi}}
	if c.dilated {
		win.Dilation = []int{2, 2}
	}
	wide := b.Spec(y).Shape.Channels()
	y = b.Add("dw", &ops.Conv{Window: win, Groups: wide, Act: act}, []tensor.Tensor{random(wide, c.k, c.k, 1), random(wide)}, y)
	if c.project {
		if c.shown {
			b.Output("filtered", y)
		}
		project := &ops.Conv{Residual: c.residual}
		in := []graph.ID{y}
		if c.residual {
			in = append(in, x)
		}
		y = b.Add("project", project, []tensor.Tensor{random(c.out, 1, 1, wide), random(c.out)}, in...)
	}
	b.Output("y", y)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestChains: a chain through cache tiles gives the bits of its convolutions
// one by one, on any number of threads and images, in less memory.
func TestChains(t *testing.T) {
	for _, c := range []block{
		{h: 40, w: 40, in: 16, wide: 96, out: 24, k: 3, stride: 1, padLo: 1, padHi: 1, expand: true, project: true},
		{h: 41, w: 39, in: 16, wide: 96, out: 24, k: 3, stride: 2, padLo: 1, padHi: 1, expand: true, project: true},
		{h: 41, w: 39, in: 16, wide: 97, out: 16, k: 3, stride: 1, padLo: 1, padHi: 1, expand: true, project: true, residual: true},
		{h: 40, w: 40, in: 16, wide: 100, out: 8, k: 5, stride: 2, padLo: 2, padHi: 2, expand: true, project: true, swish: true},
		{h: 60, w: 60, in: 8, wide: 64, k: 3, stride: 1, padLo: 1, padHi: 1, expand: true},
		{h: 90, w: 50, in: 40, out: 24, k: 3, stride: 1, padLo: 0, padHi: 2, project: true},
		{h: 60, w: 60, in: 12, wide: 64, out: 8, k: 5, stride: 3, padLo: 4, padHi: 0, expand: true, project: true},
		{h: 60, w: 60, in: 12, wide: 64, out: 8, k: 3, stride: 1, padLo: 2, padHi: 2, expand: true, project: true, dilated: true},
		{h: 300, w: 5, in: 16, wide: 96, out: 24, k: 3, stride: 1, padLo: 1, padHi: 1, expand: true, project: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			hidden := c.graph(t)
			c.shown = true
			shown := c.graph(t)
			for _, batch := range []int{1, 2} {
				plain := session(t, shown, batch, runtime.WithThreads(1))
				all := outputs(t, plain)
				want := all[len(all)-1]
				for threads := 1; threads <= 3; threads++ {
					s := session(t, hidden, batch, runtime.WithThreads(threads))
					layers := s.Layers()
					require.Len(t, layers, 1)
					require.True(t, strings.HasPrefix(layers[0].Path, "chain/"), layers[0].Path)
					require.Equal(t, [][]float32{want}, outputs(t, s), "batch %d, %d threads", batch, threads)
					require.Less(t, s.Memory().Arena, plain.Memory().Arena)
					require.LessOrEqual(t, float64(s.Memory().Arena), 1.25*float64(s.Memory().LiveSet)+float64(threads)*(330<<10))
				}
			}
		})
	}
}
