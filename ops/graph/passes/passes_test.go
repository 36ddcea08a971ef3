package passes

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// net builds a network with one image input of [n, 8, 8, 4] (or what dims say)
// and one output, and transforms it.
func net(t *testing.T, pass graph.Pass, build func(b *graph.Builder, x graph.ID) graph.ID, dims ...int) *graph.Graph {
	t.Helper()
	if len(dims) == 0 {
		dims = []int{1, 8, 8, 4}
	}
	b := graph.NewBuilder("")
	b.Output("y", build(b, b.Input("x", tensor.F32Spec(dims...), true)))
	g, err := b.Build()
	require.NoError(t, err)
	h, err := pass(g)
	require.NoError(t, err)
	return h
}

// imported is what an importer and then a runtime do.
func imported(g *graph.Graph) (*graph.Graph, error) {
	g, err := Import(g)
	if err != nil {
		return nil, err
	}
	return Infer(g)
}

// kinds are the operators of g after its input.
func kinds(g *graph.Graph) []string {
	var k []string
	for i := 1; i < g.Len(); i++ {
		k = append(k, g.Node(graph.ID(i)).Op.Kind().String())
	}
	return k
}

func filled(v float32, dims ...int) tensor.Tensor {
	t := tensor.New(tensor.F32Spec(dims...))
	for i := range t.F32() {
		t.F32()[i] = v + float32(i%7)/8
	}
	return t
}

func conv(b *graph.Builder, x graph.ID, oc int) graph.ID {
	w := filled(0.1, oc, 3, 3, b.Spec(x).Shape.Channels())
	return b.Add("conv", &ops.Conv{Window: ops.Window{Auto: ops.PadSameUpper}}, []tensor.Tensor{w}, x)
}

func norm(b *graph.Builder, x graph.ID) graph.ID {
	c := b.Spec(x).Shape.Channels()
	return b.Add("norm", &ops.BatchNorm{Eps: 1e-5}, []tensor.Tensor{filled(1, c), filled(0, c), filled(0, c), filled(1, c)}, x)
}

func relu(b *graph.Builder, x graph.ID) graph.ID {
	return b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, x)
}

// TestResidualBlock: a block of ResNet is two convolutions.
func TestResidualBlock(t *testing.T) {
	block := func(b *graph.Builder, x graph.ID) graph.ID {
		y := norm(b, conv(b, relu(b, norm(b, conv(b, x, 4))), 4))
		return relu(b, b.Add("add", &ops.Binary{Fn: ops.BinaryAdd}, nil, y, x))
	}
	g := net(t, Infer, block)
	require.Equal(t, []string{"Conv", "Conv"}, kinds(g), "%v", g)
	last := g.Node(2).Op.(*ops.Conv)
	require.True(t, last.Residual)
	require.Equal(t, ops.Relu, last.Act)
	require.Equal(t, []graph.ID{1, 0}, g.Node(2).In)
	require.Equal(t, "conv_2", g.Node(2).Name, "the convolution keeps its name")

	// Training keeps batch norm.
	g = net(t, Train, block)
	require.Equal(t, []string{"Conv", "BatchNorm", "Unary", "Conv", "BatchNorm", "Binary", "Unary"}, kinds(g))
}

// TestSharedStays: a value that somebody else reads is not changed.
func TestSharedStays(t *testing.T) {
	g := net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID {
		c := conv(b, x, 4)
		b.Output("raw", c)
		return relu(b, norm(b, c))
	})
	require.Equal(t, []string{"Conv", "BatchNorm", "Unary"}, kinds(g))
}

// TestNCHW: the body of a network written for channels in dimension 1 has no
// transpose, nor has its classifier.
func TestNCHW(t *testing.T) {
	nhwc := func(b *graph.Builder, x graph.ID) graph.ID {
		return b.Add("", &ops.Transpose{Perm: []int{0, 2, 3, 1}}, nil, x)
	}
	nchw := func(b *graph.Builder, x graph.ID) graph.ID {
		return b.Add("", &ops.Transpose{Perm: []int{0, 3, 1, 2}}, nil, x)
	}
	g := net(t, imported, func(b *graph.Builder, x graph.ID) graph.ID {
		y := nchw(b, conv(b, nhwc(b, x), 4))
		z := nchw(b, conv(b, nhwc(b, y), 6))
		scale := b.Const("", filled(1, 6, 1, 1))
		z = b.Add("", &ops.Binary{Fn: ops.BinaryMul}, nil, scale, z)
		y = b.Add("", &ops.Concat{Axis: 1}, nil, y, z)
		y = b.Add("", &ops.Slice{Starts: []int{1}, Ends: []int{math.MaxInt32}, Axes: []int{2}}, nil, y)
		y = b.Add("", &ops.Pad{Lo: []int{0, 0, 1, 0}, Hi: []int{0, 0, 1, 0}, Mode: ops.PadEdge}, nil, y)
		y = b.Add("", &ops.Reshape{Dims: []int{0, 2, 5, 9, 8}}, nil, y) // shuffle
		y = b.Add("", &ops.Transpose{Perm: []int{0, 2, 1, 3, 4}}, nil, y)
		y = b.Add("", &ops.Reshape{Dims: []int{0, -1, 9, 8}}, nil, y)
		y = nchw(b, conv(b, nhwc(b, y), 3))
		y = b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, y)
		y = b.Add("", &ops.MatMul{}, []tensor.Tensor{filled(0, 3*9*8, 5)}, y)
		return b.Add("", &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{filled(0, 5)}, y)
	}, 1, 4, 8, 8)
	transposes := 0
	for i, k := range kinds(g) {
		if k == "Transpose" && g.Node(graph.ID(i+1)).Out.Shape.Rank() == 4 {
			require.Equal(t, graph.ID(0), g.Node(graph.ID(i + 1)).In[0], "%v", g)
			transposes++
		}
	}
	require.Equal(t, 1, transposes, "%v", g)
	require.Equal(t, ops.KindDense, g.Node(graph.ID(g.Len()-1)).Op.Kind())
	_, err := g.WithBatch(5)
	require.NoError(t, err)
}

// TestMeanOverSpace: a mean over the spatial dimensions of an NCHW value is a
// global pool, and the 1x1 image it leaves is flattened by a view.
func TestMeanOverSpace(t *testing.T) {
	g := net(t, Import, func(b *graph.Builder, x graph.ID) graph.ID {
		y := b.Add("", &ops.Transpose{Perm: []int{0, 3, 1, 2}}, nil, conv(b, x, 6))
		y = b.Add("", &ops.Reduce{Fn: ops.ReduceMean, Axes: []int{-1, -2}, KeepDims: true}, nil, y)
		return b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, y)
	})
	require.Equal(t, []string{"Conv", "GlobalPool", "Reshape"}, kinds(g), "%v", g)
}

// TestPatterns: activations written out are one node, which fuses.
func TestPatterns(t *testing.T) {
	one := func(b *graph.Builder, fn ops.BinaryFn, x graph.ID, v float32) graph.ID {
		return b.Add("", &ops.Binary{Fn: fn}, []tensor.Tensor{tensor.FromF32([]float32{v})}, x)
	}
	mul := func(b *graph.Builder, x, y graph.ID) graph.ID {
		return b.Add("", &ops.Binary{Fn: ops.BinaryMul}, nil, x, y)
	}
	un := func(b *graph.Builder, x graph.ID, u ops.Unary) graph.ID { return b.Add("", &u, nil, x) }
	relu6 := func(b *graph.Builder, x graph.ID) graph.ID {
		return un(b, one(b, ops.BinaryAdd, x, 3), ops.Unary{Fn: ops.UnaryClip, B: 6})
	}
	erf := func(b *graph.Builder, x graph.ID) graph.ID {
		return one(b, ops.BinaryAdd, un(b, one(b, ops.BinaryDiv, x, math.Sqrt2), ops.Unary{Fn: ops.UnaryErf}), 1)
	}
	for name, c := range map[string]struct {
		want  ops.Act
		build func(b *graph.Builder, x graph.ID) graph.ID
	}{
		"swish": {ops.Act{Fn: ops.UnarySwish, A: 1}, func(b *graph.Builder, x graph.ID) graph.ID {
			return mul(b, un(b, x, ops.Unary{Fn: ops.UnarySigmoid}), x)
		}},
		"hardswish": {ops.Act{Fn: ops.UnaryHardSwish}, func(b *graph.Builder, x graph.ID) graph.ID {
			return one(b, ops.BinaryDiv, mul(b, x, relu6(b, x)), 6)
		}},
		"hardswish, scaled gate": {ops.Act{Fn: ops.UnaryHardSwish}, func(b *graph.Builder, x graph.ID) graph.ID {
			return mul(b, x, one(b, ops.BinaryDiv, relu6(b, x), 6))
		}},
		"hardsigmoid": {ops.Act{Fn: ops.UnaryHardSigmoid, A: 1.0 / 6, B: 0.5}, func(b *graph.Builder, x graph.ID) graph.ID {
			return one(b, ops.BinaryDiv, relu6(b, x), 6)
		}},
		"gelu": {ops.Act{Fn: ops.UnaryGelu}, func(b *graph.Builder, x graph.ID) graph.ID {
			return one(b, ops.BinaryMul, mul(b, x, erf(b, x)), 0.5)
		}},
		"gelu, half first": {ops.Act{Fn: ops.UnaryGelu}, func(b *graph.Builder, x graph.ID) graph.ID {
			return mul(b, one(b, ops.BinaryMul, x, 0.5), erf(b, x))
		}},
		"mish": {ops.Act{Fn: ops.UnaryMish}, func(b *graph.Builder, x graph.ID) graph.ID {
			return mul(b, x, un(b, un(b, x, ops.Unary{Fn: ops.UnarySoftplus}), ops.Unary{Fn: ops.UnaryTanh}))
		}},
		"relu6 of max and min": {ops.Clip(0, 6), func(b *graph.Builder, x graph.ID) graph.ID {
			return one(b, ops.BinaryMin, one(b, ops.BinaryMax, x, 0), 6)
		}},
		"two clamps": {ops.Clip(0, 1), func(b *graph.Builder, x graph.ID) graph.ID {
			return un(b, un(b, x, ops.Unary{Fn: ops.UnaryRelu}), ops.Unary{Fn: ops.UnaryClip, A: -1, B: 1})
		}},
	} {
		g := net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID { return c.build(b, conv(b, x, 4)) })
		require.Equal(t, []string{"Conv"}, kinds(g), "%s\n%v", name, g)
		require.Equal(t, c.want, g.Node(1).Op.(*ops.Conv).Act, name)
	}
}

// TestAffineFuses: factors, offsets, padding and what stands before a
// convolution without padding all become part of it.
func TestAffineFuses(t *testing.T) {
	g := net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID {
		x = b.Add("", &ops.Pad{Lo: []int{0, 1, 0, 0}, Hi: []int{0, 1, 2, 0}}, nil, x)
		x = conv(b, x, 4)
		x = b.Add("", &ops.Binary{Fn: ops.BinaryDiv}, []tensor.Tensor{filled(1, 4)}, x)
		x = b.Add("", &ops.Binary{Fn: ops.BinarySub}, []tensor.Tensor{filled(1, 1, 1, 1, 4)}, x)
		x = b.Add("", &ops.Pool{Window: ops.Window{Kernel: []int{2, 2}}}, nil, x)
		return b.Add("", &ops.Conv{}, []tensor.Tensor{filled(0.1, 5, 1, 1, 4)}, norm(b, x))
	})
	// The window pads itself, so the explicit padding before it stays.
	require.Equal(t, []string{"Pad", "Conv", "Pool", "Conv"}, kinds(g), "%v", g)

	g = net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID {
		x = b.Add("", &ops.Pad{Lo: []int{0, 1, 0, 0}, Hi: []int{0, 1, 2, 0}}, nil, x)
		return b.Add("", &ops.Conv{}, []tensor.Tensor{filled(0.1, 5, 3, 3, 4)}, x)
	})
	require.Equal(t, []string{"Conv"}, kinds(g), "%v", g)
	require.Equal(t, []int{1, 2}, g.Node(1).Op.(*ops.Conv).PadHi)
}

// TestUnfuse: what a trainer cannot differentiate gets a node of its own.
func TestUnfuse(t *testing.T) {
	w := []tensor.Tensor{filled(0.1, 4, 1, 1, 4)}
	g := net(t, Train, func(b *graph.Builder, x graph.ID) graph.ID {
		x = b.Add("a", &ops.Conv{Act: ops.Act{Fn: ops.UnarySwish, A: 1}}, w, x)
		return b.Add("b", &ops.Conv{Act: ops.Relu}, w, x)
	})
	require.Equal(t, []string{"Conv", "Unary", "Conv"}, kinds(g))
	require.Equal(t, ops.Relu, g.Node(3).Op.(*ops.Conv).Act)
}

// TestFoldAllOrNothing: a product whose weights are computed keeps its bias an
// input too, or it would be taken for the weights.
func TestFoldAllOrNothing(t *testing.T) {
	g := net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID {
		w := b.Input("w", tensor.F32Spec(4, 1, 1, 4), false)
		return b.Add("", &ops.Conv{}, nil, x, w, b.Const("bias", filled(0, 4)))
	})
	n := g.Node(graph.ID(g.Len() - 1))
	require.Equal(t, 3, len(n.In))
	require.Empty(t, n.Params)
}

// TestEqualWeightsStayTwo: Import keeps weights apart that training would,
// Infer computes equal nodes once.
func TestEqualWeightsStayTwo(t *testing.T) {
	twins := func(b *graph.Builder, x graph.ID) graph.ID {
		return b.Add("", &ops.Binary{Fn: ops.BinaryMul}, nil, conv(b, x, 4), conv(b, x, 4))
	}
	require.Equal(t, []string{"Conv", "Conv", "Binary"}, kinds(net(t, Import, twins)))
	require.Equal(t, []string{"Conv", "Binary"}, kinds(net(t, Infer, twins)))
}

// TestBatchAsExtent: where the batch is used as a spatial extent it must not be
// taken for a fixed one (found by random networks).
func TestBatchAsExtent(t *testing.T) {
	g := net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID {
		y := b.Add("", &ops.Transpose{}, nil, x)
		y = b.Add("", &ops.Transpose{Perm: []int{0, 2, 1}}, nil, y)
		w := []tensor.Tensor{filled(0.1, 1, 1, 5), filled(0, 1)}
		y = b.Add("", &ops.Conv{Window: ops.Window{Stride: []int{2}}}, w, y)
		return b.Add("", &ops.Transpose{Perm: []int{0, 2, 1}}, nil, y)
	}, 1, 5, 1)
	h, err := g.WithBatch(3)
	require.NoError(t, err)
	require.Equal(t, tensor.Of(1, 1, 2), h.Node(h.Outputs()[0].ID).Out.Shape)
}

// TestDeadNodeFixesBatch: a node that nobody reads and that works for one batch
// size only does not keep the others from being looked at.
func TestDeadNodeFixesBatch(t *testing.T) {
	g := net(t, Layout, func(b *graph.Builder, x graph.ID) graph.ID {
		y := b.Add("", &ops.Transpose{}, nil, x)
		b.Add("", &ops.MatMul{}, []tensor.Tensor{filled(0, 1, 4)}, y)
		return relu(b, y)
	}, 1, 24)
	_, err := g.WithBatch(2)
	require.NoError(t, err)
	require.Equal(t, []string{"Unary", "Transpose"}, kinds(g), "%v", g)
}

// TestMatMulReadsUntransposed: a product takes its operand as it was before the
// last two dimensions changed places.
func TestMatMulReadsUntransposed(t *testing.T) {
	g := net(t, Infer, func(b *graph.Builder, x graph.ID) graph.ID {
		y := b.Add("", &ops.Transpose{Perm: []int{0, 1, 3, 2}}, nil, x)
		return b.Add("", &ops.MatMul{}, nil, x, y)
	})
	require.Equal(t, []string{"MatMul"}, kinds(g))
	require.True(t, g.Node(1).Op.(*ops.MatMul).TransB)
}

// TestDeadChannels: a filter of zeros goes, with all that depends on it alone;
// what its bias makes of it moves on.
func TestDeadChannels(t *testing.T) {
	build := func(b *graph.Builder, x graph.ID) graph.ID {
		w, bias := filled(0.1, 6, 3, 3, 4), filled(0.3, 6)
		clear(w.F32()[2*36 : 3*36])
		clear(w.F32()[5*36 : 6*36])
		bias.F32()[5] = -1 // nothing is left of it after the Relu
		y := b.Add("", &ops.Conv{Window: ops.Window{Auto: ops.PadSameUpper}}, []tensor.Tensor{w, bias}, x)
		y = relu(b, y)
		y = b.Add("", &ops.Pool{Window: ops.Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}}, nil, y)
		y = b.Add("", &ops.Conv{Groups: 6, Window: ops.Window{Kernel: []int{3, 3}}}, []tensor.Tensor{filled(0.1, 6, 3, 3, 1)}, y)
		y = b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, y)
		return b.Add("", &ops.Dense{}, []tensor.Tensor{filled(0.1, 3, 24)}, y)
	}
	raw := net(t, Dead, build)
	g := net(t, DeadChannels, build)
	require.Equal(t, tensor.Of(1, 8, 8, 4), g.Node(1).Out.Shape, "%v", g)
	require.Equal(t, tensor.Of(3, 16), g.Node(6).Params[0].Shape)
	require.Equal(t, 1, len(raw.Node(6).Params))
	require.Equal(t, 2, len(g.Node(6).Params), "the constant became a bias")
	_, err := g.WithBatch(3)
	require.NoError(t, err)
}
