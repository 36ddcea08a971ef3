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

// sum is an integer convolution and an addition to it, of another convolution's result. When shown, the convolution's
// result is an output too, so that nothing may hide it.
type sum struct {
	h, w, in, out, k, stride, groups int
	d                                tensor.DType
	second, relu, shown              bool
	scale, other, of                 float32 // of the convolution, of the other operand, of the sum
}

func (c sum) graph(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	zero := func() int {
		if c.d == tensor.I8 {
			return rng.IntN(256) - 128
		}
		return rng.IntN(256)
	}
	b := graph.NewBuilder("sum")
	conv := func(name string, k, stride, groups int, scale float32, in graph.ID) graph.ID {
		ic := b.Spec(in).Shape.Channels()
		w := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(c.out, k, k, ic/groups), Quant: tensor.Affine(0.01, 0)})
		for i := range w.Data {
			w.Data[i] = byte(rng.Uint32())
		}
		bias := make([]int32, c.out)
		for i := range bias {
			bias[i] = int32(rng.IntN(4000) - 2000)
		}
		win := ops.Window{Stride: []int{stride, stride}, PadLo: []int{k / 2, k / 2}, PadHi: []int{k / 2, k / 2}}
		return b.Add(name, &ops.Conv{Window: win, Groups: groups, Out: ops.QuantOut(c.d, scale, zero())}, []tensor.Tensor{w, tensor.FromI32(bias, c.out)}, in)
	}
	x := b.Add("x/quantize", &ops.Quantize{Out: ops.QuantOut(c.d, 0.03, zero())}, nil, b.Input("x", tensor.F32Spec(1, c.h, c.w, c.in), true))
	other := conv("other", 1, c.stride, 1, c.other, x)
	y := conv("conv", c.k, c.stride, c.groups, c.scale, x)
	if c.shown {
		b.Output("conv", y)
	}
	add := &ops.Binary{Fn: ops.BinaryAdd, Out: ops.QuantOut(c.d, c.of, zero())}
	if c.relu {
		add.Act = ops.Relu
	}
	in := []graph.ID{y, other}
	if c.second {
		in[0], in[1] = in[1], in[0]
	}
	y = b.Add("add", add, nil, in...)
	b.Output("y", b.Add("y/dequantize", &ops.Dequantize{}, nil, y))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestSums: an addition behind an integer convolution, where it is one step with it, gives the bits of the two one by one,
// on any number of threads and images.
func TestSums(t *testing.T) {
	for i, c := range []sum{
		{h: 14, w: 14, in: 64, out: 96, k: 1, stride: 1, groups: 1, d: tensor.U8, scale: .1, other: .09, of: .12, relu: true},
		{h: 14, w: 13, in: 64, out: 160, k: 1, stride: 1, groups: 1, d: tensor.I8, scale: .1, other: .09, of: .12, second: true},
		{h: 9, w: 14, in: 64, out: 64, k: 3, stride: 2, groups: 1, d: tensor.U8, scale: .3, other: .01, of: .2},
		{h: 9, w: 31, in: 16, out: 96, k: 3, stride: 1, groups: 1, d: tensor.U8, scale: .3, other: .1, of: .2, second: true}, // bands
		{h: 28, w: 28, in: 64, out: 64, k: 3, stride: 1, groups: 1, d: tensor.I8, scale: .3, other: .1, of: .2, relu: true},  // Winograd
		{h: 9, w: 11, in: 32, out: 32, k: 3, stride: 1, groups: 32, d: tensor.U8, scale: .02, other: .1, of: .1},             // depthwise
		{h: 9, w: 11, in: 32, out: 64, k: 3, stride: 1, groups: 2, d: tensor.U8, scale: .1, other: .1, of: .1},
		{h: 14, w: 14, in: 64, out: 96, k: 1, stride: 1, groups: 1, d: tensor.U8, scale: .01, other: .01, of: .3, relu: true}, // a shift of more than 22
	} {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			hidden := c.graph(t)
			c.shown = true
			shown := c.graph(t)
			for _, batch := range []int{1, 2} {
				plain := session(t, shown, batch, runtime.WithThreads(1))
				require.NoError(t, plain.Run(t.Context()))
				want := plain.Output(plain.NumOutputs() - 1).F32()
				for threads := 1; threads <= 3; threads++ {
					s := session(t, hidden, batch, runtime.WithThreads(threads))
					names, path := []string{}, ""
					for _, l := range s.Layers() {
						names = append(names, l.Name)
						if l.Name == "conv+add" {
							path = l.Path
						}
					}
					require.Contains(t, names, "conv+add")
					require.True(t, strings.HasSuffix(path, "add"), path)
					require.Equal(t, [][]float32{want}, outputs(t, s), "batch %d, %d threads", batch, threads)
					require.Less(t, float64(s.Memory().Arena), 1.05*float64(plain.Memory().Arena))
				}
			}
		})
	}
}
