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

// denseBlock is a DenseNet block: norms of all that came before, which is one concatenation inside another, or one of all. When
// shown, every value is an output too, so that nothing may hide it.
type denseBlock struct {
	h, w, in, grow, layers int
	clamp                  ops.Op // behind each norm, or nil
	list, shown            bool
}

func (c denseBlock) graph(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(least float32, dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = least + float32(rng.NormFloat64()/4)
		}
		return x
	}
	b := graph.NewBuilder("block")
	show := func(name string, y graph.ID) graph.ID {
		if c.shown {
			b.Output(name, y)
		}
		return y
	}
	all := []graph.ID{b.Input("x", tensor.F32Spec(1, c.h, c.w, c.in), true)}
	norm := func(name string) graph.ID {
		y := all[0]
		if len(all) > 1 {
			y = show(name+"/cat", b.Add(name+"/cat", &ops.Concat{Axis: 3}, nil, all...))
			if !c.list {
				all = []graph.ID{y}
			}
		}
		n := b.Spec(y).Shape.Channels()
		variance := random(1, n)
		for i, v := range variance.F32() {
			variance.F32()[i] = max(v, 0.1)
		}
		y = show(name+"/norm", b.Add(name+"/norm", &ops.BatchNorm{Eps: 1e-5}, []tensor.Tensor{random(1, n), random(0, n), random(0, n), variance}, y))
		if c.clamp != nil {
			y = show(name+"/clamp", b.Add(name+"/clamp", c.clamp, nil, y))
		}
		return y
	}
	for i := range c.layers {
		name := fmt.Sprint(i)
		y := norm(name)
		all = append(all, show(name, b.Add(name, &ops.Conv{}, []tensor.Tensor{random(0, c.grow, 1, 1, b.Spec(y).Shape.Channels())}, y)))
	}
	b.Output("y", norm("last"))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestNorms: norms that take in the concatenation before them and the clamp behind give the bits of the operators one by one,
// on any number of threads and images. Exact, as products by pairs are taken where there is room, of which the other graph has less.
func TestNorms(t *testing.T) {
	relu, clip := &ops.Unary{Fn: ops.UnaryRelu}, &ops.Unary{Fn: ops.UnaryClip, A: -0.3, B: 0.4}
	for i, c := range []denseBlock{
		{h: 9, w: 7, in: 20, grow: 12, layers: 4, clamp: relu},
		{h: 9, w: 7, in: 20, grow: 12, layers: 4, clamp: relu, list: true},
		{h: 40, w: 31, in: 3, grow: 5, layers: 3, clamp: clip, list: true},
		{h: 5, w: 3, in: 700, grow: 500, layers: 2, clamp: relu},
		{h: 5, w: 3, in: 7, grow: 5, layers: 2, clamp: &ops.Unary{Fn: ops.UnarySigmoid}},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			hidden := c.graph(t)
			c.shown = true
			shown := c.graph(t)
			for _, batch := range []int{1, 2} {
				plain := session(t, shown, batch, runtime.WithThreads(1), runtime.WithExact())
				require.NoError(t, plain.Run(t.Context()))
				want := plain.Output(plain.NumOutputs() - 1).F32()
				for threads := 1; threads <= 3; threads++ {
					s := session(t, hidden, batch, runtime.WithThreads(threads), runtime.WithExact())
					for _, l := range s.Layers() {
						require.False(t, strings.HasSuffix(l.Name, "cat"), "%s is a step", l.Name)
					}
					for range 2 {
						require.NoError(t, s.Run(t.Context()))
						require.Equal(t, want, s.Output(0).F32(), "batch %d, %d threads", batch, threads)
					}
				}
			}
		})
	}
}
