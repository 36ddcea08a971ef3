package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// opCase is one operator on random operands.
type opCase struct {
	op     ops.Op
	in     [][]int // the first is batched
	params [][]int
}

func cases() []opCase {
	win := func(k, s, p int) ops.Window {
		return ops.Window{Kernel: []int{k, k}, Stride: []int{s, s}, PadLo: []int{p, p}, PadHi: []int{p, p}}
	}
	act := func(fn ops.UnaryFn) ops.Act { return ops.Act{Fn: fn, A: 0.1, B: 0.4} }
	img := [][]int{{1, 7, 6, 4}}
	cs := []opCase{
		{&ops.Conv{}, img, [][]int{{5, 3, 2, 4}}},
		{&ops.Conv{Window: win(3, 2, 1), Act: ops.Relu}, img, [][]int{{70, 3, 3, 4}, {70}}},
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Clip(-0.5, 0.7), Residual: true}, [][]int{{1, 7, 6, 4}, {1, 7, 6, 5}}, [][]int{{5, 3, 3, 4}}},
		{&ops.Conv{Window: win(3, 1, 1), Act: act(ops.UnaryHardSwish), Residual: true}, [][]int{{1, 7, 6, 4}, {1, 7, 6, 5}}, [][]int{{5, 3, 3, 4}, {5}}},
		{&ops.Conv{Window: win(3, 1, 1), Groups: 2, Act: act(ops.UnaryElu)}, img, [][]int{{6, 3, 3, 2}, {6}}},
		{&ops.Conv{Window: win(3, 2, 1), Groups: 4}, img, [][]int{{8, 3, 3, 1}, {8}}},
		{&ops.Conv{Window: ops.Window{Auto: ops.PadSameUpper, Dilation: []int{2, 1}}, Groups: 4, Act: ops.Relu}, img, [][]int{{4, 3, 3, 1}}},
		{&ops.Conv{Window: ops.Window{Stride: []int{2}, PadLo: []int{1}, PadHi: []int{2}}}, [][]int{{1, 9, 3}}, [][]int{{4, 3, 3}, {4}}},
		{&ops.Conv{Window: ops.Window{Stride: []int{1, 2, 1}}}, [][]int{{1, 3, 5, 4, 2}}, [][]int{{4, 1, 3, 2, 2}}},
		{&ops.Conv{}, [][]int{{1, 7, 6, 4}, {3, 2, 2, 4}}, nil},
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Relu}, [][]int{{1, 24, 24, 4}}, [][]int{{70, 3, 3, 4}, {70}}},
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Relu}, [][]int{{1, 24, 24, 9}}, [][]int{{70, 3, 3, 9}, {70}}},
		{&ops.Conv{Window: win(3, 1, 1), Groups: 2, Residual: true}, [][]int{{1, 5, 6, 18}, {1, 5, 6, 8}}, [][]int{{8, 3, 3, 9}}},
		{&ops.Conv{Window: win(1, 2, 0), Groups: 2}, [][]int{{1, 5, 6, 2 * wide}}, [][]int{{8, 1, 1, wide}, {8}}},
		// So few tiles over so many terms that these are cut.
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Relu, Residual: true}, [][]int{{1, 4, 5, 112}, {1, 4, 5, 24}}, [][]int{{24, 3, 3, 112}, {24}}},
		{&ops.Dense{Act: act(ops.UnarySigmoid)}, [][]int{{1, 1107}}, [][]int{{70, 1107}, {70}}},
		{&ops.Dense{Act: act(ops.UnaryTanh)}, [][]int{{1, wide}}, [][]int{{70, wide}, {70}}},
		{&ops.Dense{}, [][]int{{1, 300}}, [][]int{{200, 300}, {200}}},
		{&ops.Dense{Act: ops.Relu}, [][]int{{1, 30}}, [][]int{{70, 30}, {70}}},
		{&ops.Dense{Residual: true, Act: act(ops.UnarySigmoid)}, [][]int{{1, 3, 10}, {1, 3, 7}}, [][]int{{7, 10}}},
		{&ops.Pool{Window: win(3, 2, 1)}, img, nil},
		{&ops.Pool{Window: win(3, 2, 1), Fn: ops.PoolAvg, Act: ops.Relu}, img, nil},
		{&ops.Pool{Window: ops.Window{Kernel: []int{3, 3}, Stride: []int{2, 2}, PadLo: []int{0, 1}, PadHi: []int{1, 0}, Ceil: true}, Fn: ops.PoolAvg, CountIncludePad: true}, [][]int{{1, 7, 8, 3}}, nil},
		{&ops.Pool{Window: ops.Window{Kernel: []int{3}, Ceil: true, Stride: []int{2}}}, [][]int{{1, 8, 3}}, nil},
		{&ops.GlobalPool{Fn: ops.PoolAvg}, img, nil},
		{&ops.GlobalPool{Fn: ops.PoolMax}, [][]int{{1, 3, 4, 5, 2}}, nil},
		{&ops.Softmax{Axis: -1}, [][]int{{1, 3, 300}}, nil},
		{&ops.Softmax{Axis: 1, Log: true, Beta: 2}, img, nil},
		{&ops.Softmax{Axis: 1, Flatten: true, Beta: 0.5}, img, nil},
		{&ops.PRelu{}, img, [][]int{{4}}},
		{&ops.PRelu{}, img, [][]int{{1}}},
		{&ops.BatchNorm{Eps: 1e-3}, img, [][]int{{4}, {4}, {4}, {4}}},
		{&ops.Concat{Axis: -1}, [][]int{{1, 7, 6, 4}, {1, 7, 6, 3}, {1, 7, 6, 1}}, nil},
		{&ops.Concat{Axis: 1}, [][]int{{1, 7, 4}, {1, 2, 4}}, nil},
		{&ops.Slice{Starts: []int{5, -1}, Ends: []int{1, 100}, Axes: []int{1, 3}, Steps: []int{-2, 1}}, img, nil},
		{&ops.Pad{Lo: []int{0, 1, -2, 0}, Hi: []int{0, -1, 3, 2}, Value: 1.5}, img, nil},
		{&ops.Pad{Lo: []int{0, 9, 0}, Hi: []int{0, -8, 0}, Value: 2}, [][]int{{1, 8, 2}}, nil},
		{&ops.Transpose{Perm: []int{0, 3, 1, 2}}, img, nil},
		{&ops.Transpose{}, [][]int{{1, 2, 3, 4, 5, 6}}, nil},
		{&ops.Expand{Dims: []int{1, 4, 5}}, [][]int{{1, 4, 1}}, nil},
		{&ops.Reshape{Dims: []int{0, -1}}, img, nil},
		{&ops.MatMul{}, [][]int{{1, 70, 9}, {9, 65}}, nil},
		{&ops.MatMul{TransB: true, Alpha: 0.5, Act: ops.Relu}, [][]int{{1, 3, 5, 4}, {1, 3, 7, 4}}, nil},
		{&ops.MatMul{TransA: true, Act: act(ops.UnaryTanh)}, [][]int{{1, 5, 6}}, [][]int{{2, 1, 5, 3}}},
		{&ops.MatMul{}, [][]int{{1, 6}}, [][]int{{6}}},
		{&ops.MatMul{}, [][]int{{2, 3, 6}, {6}}, nil},
		{&ops.ConvTranspose{Window: ops.Window{Stride: []int{2, 2}, PadLo: []int{1, 0}, PadHi: []int{0, 1}}, OutputPad: []int{1, 0}, Act: ops.Relu}, img, [][]int{{4, 3, 3, 5}, {5}}},
		{&ops.ConvTranspose{Window: ops.Window{Dilation: []int{2, 1}}, Groups: 2}, img, [][]int{{4, 2, 3, 3}}},
		{&ops.ConvTranspose{Window: ops.Window{Stride: []int{2}}, Act: act(ops.UnaryElu)}, [][]int{{1, 5, 3}}, [][]int{{3, 3, 2}, {2}}},
		{&ops.ConvTranspose{}, [][]int{{1, 3, 5, 4, 2}}, [][]int{{2, 1, 2, 2, 3}}},
		{&ops.GroupNorm{Eps: 1e-3}, img, [][]int{{4}, {4}}},
		{&ops.GroupNorm{Groups: 2, Eps: 1e-3}, img, [][]int{{2}, {2}}},
		{&ops.GroupNorm{Groups: 1, Eps: 1e-3}, [][]int{{1, 5, 300}}, nil},
		{&ops.LayerNorm{Axis: -1, Eps: 1e-3}, [][]int{{1, 5, 300}}, [][]int{{300}, {300}}},
		{&ops.LayerNorm{Axis: 2, Eps: 1e-3}, img, [][]int{{24}}},
		{&ops.LayerNorm{Axis: -1, Eps: 1e-3, Output: 1}, img, nil},
		{&ops.LayerNorm{Axis: -1, Eps: 1e-3, Output: 2}, img, nil},
		{&ops.Identity{}, img, nil},
		{&ops.Dropout{Rate: 0.5}, img, nil},
	}
	for fn := range unaryKinds {
		cs = append(cs, opCase{&ops.Unary{Fn: fn, A: map[bool]float32{true: 1, false: 0.2}[fn == ops.UnarySwish], B: 0.4}, img, nil})
	}
	for fn := range binaryKinds {
		cs = append(cs, opCase{&ops.Binary{Fn: fn, Act: ops.Relu}, [][]int{{1, 7, 6, 4}, {6, 1}}, nil},
			opCase{&ops.Binary{Fn: fn, Act: act(ops.UnaryTanh)}, img, [][]int{{1, 7, 1, 4}}})
	}
	for fn := ops.ReduceMean; fn <= ops.ReduceSumSquare; fn++ {
		for _, axes := range [][]int{{1, 2}, {-1}, {0, 3}, {1}, nil} {
			dims := [][]int{{1, 7, 6, 4}}
			if axes == nil || axes[0] == 0 {
				dims[0][0] = 3 // the batch goes
			}
			if fn != ops.ReduceLogSum { // of numbers of either sign there is none
				cs = append(cs, opCase{&ops.Reduce{Fn: fn, Axes: axes, KeepDims: len(axes) == 1}, dims, nil})
			}
		}
	}
	cs = append(cs, opCase{&ops.Reduce{Axes: []int{1}}, [][]int{{1, 700, 3, 2}}, nil}, opCase{&ops.Reduce{NoOp: true}, img, nil},
		opCase{&ops.Reduce{Fn: ops.ReduceMax, Axes: []int{1}}, [][]int{{1, 700, 3, 2}}, nil})
	cs = append(cs, opCase{&ops.Binary{Fn: ops.BinarySquaredDiff}, img, [][]int{{4}}})
	for _, co := range []ops.ResizeCoord{ops.CoordHalfPixel, ops.CoordPytorchHalfPixel, ops.CoordAlignCorners, ops.CoordAsymmetric} {
		for _, sz := range [][]int{{0, 14, 12, 0}, {0, 3, 13, 0}, {0, 1, 9, 0}} {
			for r := range ops.RoundCeil + 1 {
				cs = append(cs, opCase{&ops.Resize{Coord: co, Round: r, Sizes: sz}, img, nil})
			}
			cs = append(cs, opCase{&ops.Resize{Mode: ops.ResizeLinear, Coord: co, Sizes: sz}, img, nil})
		}
	}
	return cs
}

// graph is the case's operator in a network of its own.
func (c opCase) graph(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	b := graph.NewBuilder("case")
	var in []graph.ID
	for i, d := range c.in {
		in = append(in, b.Input(fmt.Sprint("in", i), tensor.F32Spec(d...), d[0] == 1))
	}
	var params []tensor.Tensor
	for _, d := range c.params {
		p := tensor.New(tensor.F32Spec(d...))
		for i := range p.F32() {
			p.F32()[i] = float32(rng.Float64() + 0.1)
		}
		params = append(params, p)
	}
	b.Output("y", b.Add("it", c.op, params, in...))
	g, err := b.Build()
	require.NoError(t, err, "%#v", c.op)
	return g
}
