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

// pooled is a first layer and a maximum pool behind it, or a part of a
// concatenation. When shown, what lies between is an output too, so that
// nothing may hide it.
type pooled struct {
	h, w, in, oc   int
	k, stride, pad int
	dilation       int
	kh, kw, sh, sw int // of the pool
	pt, pl, ph     int // its padding above, to the left, and below and to the right
	ceil           bool
	swish          bool
	joined, shown  bool
	dilatedPool    bool
}

func (c pooled) graph(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64() / 4)
		}
		return x
	}
	act := ops.Act{Fn: ops.UnaryRelu}
	if c.swish {
		act.Fn = ops.UnarySwish
	}
	b := graph.NewBuilder("pooled")
	x := b.Input("x", tensor.F32Spec(1, c.h, c.w, c.in), true)
	d := max(1, c.dilation)
	win := ops.Window{Stride: []int{c.stride, c.stride}, Dilation: []int{d, d}, PadLo: []int{c.pad, c.pad}, PadHi: []int{c.pad, c.pad}}
	y := b.Add("conv", &ops.Conv{Window: win, Act: act}, []tensor.Tensor{random(c.oc, c.k, c.k, c.in), random(c.oc)}, x)
	if c.shown {
		b.Output("filtered", y)
	}
	pool := ops.Window{Kernel: []int{c.kh, c.kw}, Stride: []int{c.sh, c.sw}, PadLo: []int{c.pt, c.pl}, PadHi: []int{c.ph, c.ph}, Ceil: c.ceil}
	if c.dilatedPool {
		pool.Dilation = []int{2, 2}
	}
	y = b.Add("pool", &ops.Pool{Window: pool}, nil, y)
	if c.joined {
		z := b.Add("side", &ops.Conv{}, []tensor.Tensor{random(8, 1, 1, c.oc), random(8)}, y)
		y = b.Add("join", &ops.Concat{Axis: 3}, nil, y, z)
	}
	b.Output("y", y)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestPooled: a convolution and its pool by bands give the bits of the two one
// by one, on any number of threads and images, in less memory.
func TestPooled(t *testing.T) {
	for _, c := range []pooled{
		{h: 64, w: 64, in: 3, oc: 32, k: 3, stride: 1, pad: 1, kh: 2, kw: 2, sh: 2, sw: 2},
		{h: 3, w: 4000, in: 3, oc: 33, k: 3, stride: 1, kh: 1, kw: 3, sh: 1, sw: 4}, // one row, as of a sound
		{h: 65, w: 67, in: 3, oc: 33, k: 3, stride: 1, pad: 1, kh: 2, kw: 2, sh: 2, sw: 2},
		{h: 65, w: 67, in: 3, oc: 32, k: 3, stride: 1, pad: 1, kh: 2, kw: 2, sh: 2, sw: 2, ceil: true},
		{h: 65, w: 300, in: 4, oc: 40, k: 5, stride: 2, pad: 1, kh: 2, kw: 2, sh: 2, sw: 3, swish: true},
		{h: 131, w: 129, in: 3, oc: 64, k: 3, stride: 2, kh: 3, kw: 3, sh: 2, sw: 2, ceil: true},
		{h: 131, w: 129, in: 3, oc: 64, k: 7, stride: 2, pad: 3, kh: 3, kw: 3, sh: 2, sw: 2, pt: 1, pl: 1, ph: 1},
		{h: 131, w: 129, in: 1, oc: 64, k: 7, stride: 2, pad: 3, kh: 3, kw: 3, sh: 2, sw: 2, pt: 1, pl: 1, ph: 1, joined: true},
		{h: 131, w: 129, in: 3, oc: 64, k: 3, stride: 2, pad: 2, dilation: 1, kh: 3, kw: 2, sh: 1, sw: 2, pt: 2, ph: 1, dilatedPool: true},
		{h: 300, w: 70, in: 2, oc: 17, k: 4, stride: 1, pad: 2, kh: 3, kw: 1, sh: 4, sw: 1},
		{h: 300, w: 70, in: 3, oc: 48, k: 3, stride: 1, pad: 1, dilation: 1, kh: 1, kw: 3, sh: 2, sw: 3, pl: 1, ph: 0},
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
					require.Equal(t, [][]float32{want}, outputs(t, s), "batch %d, %d threads", batch, threads)
					path := s.Layers()[0].Path
					if c.in >= 16 && !strings.Contains(path, "avx512") {
						continue // by Winograd it is one step only there
					}
					require.True(t, strings.HasPrefix(path, "pooled/"), path)
					require.Less(t, s.Memory().Arena, plain.Memory().Arena)
				}
			}
		})
	}
}
