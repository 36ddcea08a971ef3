package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// intCase is one operator on 8-bit operands.
type intCase struct {
	op     ops.Op
	in     []tensor.Spec
	params []tensor.Tensor
}

func quantised(d tensor.DType, scale float32, zero int, dims ...int) tensor.Spec {
	s := tensor.F32Spec(dims...)
	return tensor.Spec{DType: d, Shape: s.Shape, Quant: tensor.Affine(scale, zero)}
}

// randomBytes are weights; perChannel gives each row a scale.
func randomBytes(d tensor.DType, zero int, perChannel bool, dims ...int) tensor.Tensor {
	rng := rand.New(rand.NewPCG(5, uint64(len(dims)+dims[0])))
	s := quantised(d, 0.01, zero, dims...)
	if perChannel {
		scales := make([]float32, dims[0])
		for i := range scales {
			scales[i] = 0.002 + rng.Float32()*0.02
		}
		s.Quant = tensor.PerChannel(scales, 0)
	}
	t := tensor.New(s)
	for i := range t.Data {
		t.Data[i] = byte(rng.Uint32())
	}
	return t
}

func biasOf(n int) tensor.Tensor {
	t := tensor.New(tensor.Spec{DType: tensor.I32, Shape: tensor.Of(n)})
	for i := range t.I32() {
		t.I32()[i] = int32(i*977%4001 - 2000)
	}
	return t
}

func intCases() []intCase {
	win := func(k, s, p int) ops.Window {
		return ops.Window{Kernel: []int{k, k}, Stride: []int{s, s}, PadLo: []int{p, p}, PadHi: []int{p, p}}
	}
	out := func(d tensor.DType, scale float32, zero int) ops.OutType {
		return ops.OutType{DType: d, Scale: scale, Zero: zero}
	}
	i8, u8 := tensor.I8, tensor.U8
	img := quantised(i8, 0.05, -3, 1, 7, 6, 4)
	wide := quantised(i8, 0.05, 5, 1, 9, 8, 32)
	uimg, uwide := quantised(u8, 0.05, 131, 1, 7, 6, 4), quantised(u8, 0.05, 120, 1, 9, 8, 17)
	row := []tensor.Spec{quantised(u8, 0.1, 100, 1, 50)}
	cs := []intCase{
		{&ops.Conv{Window: win(3, 1, 1), Out: out(i8, 0.9, 4)}, []tensor.Spec{img}, []tensor.Tensor{randomBytes(i8, 0, true, 5, 3, 3, 4), biasOf(5)}},
		{&ops.Conv{Window: win(3, 2, 1), Act: ops.Relu, Out: out(i8, 0.9, -20)}, []tensor.Spec{wide}, []tensor.Tensor{randomBytes(i8, 0, true, 70, 3, 3, 32), biasOf(70)}},
		{&ops.Conv{Window: win(3, 1, 1), Out: out(u8, 0.9, 128)}, []tensor.Spec{uimg}, []tensor.Tensor{randomBytes(u8, 117, false, 5, 3, 3, 4), biasOf(5)}},
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Clip(0, 6), Out: out(u8, 0.03, 3)}, []tensor.Spec{uwide}, []tensor.Tensor{randomBytes(u8, 117, false, 9, 3, 3, 17), biasOf(9)}},
		{&ops.Conv{Window: win(2, 1, 1), Out: out(u8, 0.9, 3)}, []tensor.Spec{uwide}, []tensor.Tensor{randomBytes(i8, 0, true, 9, 2, 2, 17)}},
		{&ops.Conv{Window: win(3, 1, 1), Groups: 4, Out: out(i8, 0.3, 4)}, []tensor.Spec{img}, []tensor.Tensor{randomBytes(i8, 0, true, 8, 3, 3, 1), biasOf(8)}},
		{&ops.Conv{Window: win(3, 2, 1), Groups: 2, Out: out(i8, 0.3, 4)}, []tensor.Spec{wide}, []tensor.Tensor{randomBytes(i8, 0, true, 6, 3, 3, 16), biasOf(6)}},
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Relu, Out: out(i8, 0.9, 1)}, []tensor.Spec{quantised(i8, 0.05, 0, 1, 24, 24, 16)}, []tensor.Tensor{randomBytes(i8, 0, true, 70, 3, 3, 16), biasOf(70)}},
		// So few tiles over so many terms that these are cut.
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Relu, Out: out(i8, 0.9, 1)}, []tensor.Spec{quantised(i8, 0.05, -7, 1, 4, 5, 224)}, []tensor.Tensor{randomBytes(i8, 0, true, 24, 3, 3, 224), biasOf(24)}},
		{&ops.Conv{Window: win(3, 1, 1), Out: out(u8, 0.9, 128)}, []tensor.Spec{quantised(u8, 0.05, 131, 1, 4, 5, 231)}, []tensor.Tensor{randomBytes(i8, 0, true, 9, 3, 3, 231)}},
		{&ops.Dense{Out: out(u8, 0.9, 128)}, row, []tensor.Tensor{randomBytes(u8, 130, false, 13, 50), biasOf(13)}},
		{&ops.Dense{Act: ops.Relu, Out: out(i8, 0.4, 0)}, []tensor.Spec{quantised(i8, 0.1, 9, 1, 50)}, []tensor.Tensor{randomBytes(i8, 0, true, 13, 50), biasOf(13)}},
		{&ops.Pool{Window: win(3, 2, 1), Out: out(i8, 0.05, -3)}, []tensor.Spec{img}, nil},
		{&ops.Pool{Window: win(3, 2, 1), Out: out(u8, 0.07, 9)}, []tensor.Spec{img}, nil},
		{&ops.Pool{Window: win(3, 2, 1), Fn: ops.PoolAvg, Act: ops.Relu, Out: out(i8, 0.05, -3)}, []tensor.Spec{img}, nil},
		{&ops.Pool{Window: win(3, 2, 1), Fn: ops.PoolAvg, CountIncludePad: true, Out: out(u8, 0.05, 131)}, []tensor.Spec{uimg}, nil},
		{&ops.Pool{Window: win(2, 2, 0), Fn: ops.PoolAvg, Out: out(u8, 0.03, 100)}, []tensor.Spec{uimg}, nil},
		{&ops.GlobalPool{Fn: ops.PoolAvg, Out: out(i8, 0.04, 2)}, []tensor.Spec{img}, nil},
		{&ops.GlobalPool{Fn: ops.PoolMax, Out: out(u8, 0.05, 131)}, []tensor.Spec{uimg}, nil},
		{&ops.Reduce{Axes: []int{1, 2}, Out: out(i8, 0.04, 2)}, []tensor.Spec{img}, nil},
		{&ops.Reduce{Fn: ops.ReduceSum, Axes: []int{-1}, Out: out(u8, 0.2, 90)}, []tensor.Spec{uimg}, nil},
		{&ops.Reduce{Fn: ops.ReduceMin, Axes: []int{1}, Out: out(i8, 0.05, -3)}, []tensor.Spec{img}, nil},
		{&ops.Reduce{Fn: ops.ReduceMax, Axes: []int{1}, Out: out(i8, 0.04, 3)}, []tensor.Spec{img}, nil},
		{&ops.Unary{Fn: ops.UnarySigmoid, Out: out(i8, 1.0/256, -128)}, []tensor.Spec{img}, nil},
		{&ops.Unary{Fn: ops.UnaryClip, A: -1, B: 2, Out: out(u8, 0.05, 131)}, []tensor.Spec{uimg}, nil},
		{&ops.Unary{Fn: ops.UnaryHardSwish, Out: out(u8, 0.02, 30)}, []tensor.Spec{uimg}, nil},
		{&ops.Quantize{Out: out(u8, 0.07, 90)}, []tensor.Spec{img}, nil},
		{&ops.Quantize{Out: out(i8, 0.02, -9)}, []tensor.Spec{tensor.F32Spec(1, 7, 6, 4)}, nil},
		{&ops.Dequantize{}, []tensor.Spec{uimg}, nil},
		{&ops.Softmax{Axis: -1, Out: out(u8, 1.0/256, 0)}, row, nil},
		{&ops.Softmax{Axis: 1, Beta: 0.5, Out: out(i8, 1.0/256, -128)}, []tensor.Spec{img}, nil},
		{&ops.Concat{Axis: -1, Out: out(i8, 0.06, 1)}, []tensor.Spec{img, quantised(i8, 0.02, 9, 1, 7, 6, 3), quantised(i8, 0.06, 1, 1, 7, 6, 2)}, nil},
		{&ops.Concat{Axis: 1, Out: out(i8, 0.06, 1)}, []tensor.Spec{img, quantised(i8, 0.06, 1, 1, 2, 6, 4)}, nil},
		{&ops.Pad{Lo: []int{0, 1, 2, 0}, Hi: []int{0, 1, 0, 0}}, []tensor.Spec{uimg}, nil},
		{&ops.Pad{Lo: []int{0, 1, 2, 0}, Hi: []int{0, 1, 0, 0}, Value: -1.5}, []tensor.Spec{img}, nil},
		{&ops.Transpose{Perm: []int{0, 3, 1, 2}}, []tensor.Spec{img}, nil},
		{&ops.Slice{Starts: []int{5}, Ends: []int{1}, Axes: []int{1}, Steps: []int{-2}}, []tensor.Spec{uimg}, nil},
		{&ops.Expand{Dims: []int{1, 4, 5}}, []tensor.Spec{quantised(i8, 0.1, 1, 1, 4, 1)}, nil},
		{&ops.Reshape{Dims: []int{0, -1}}, []tensor.Spec{img}, nil},
		{&ops.PRelu{Out: out(i8, 0.05, 0)}, []tensor.Spec{img}, []tensor.Tensor{randomBytes(i8, 3, false, 1)}},
	}
	for _, fn := range []ops.BinaryFn{ops.BinaryAdd, ops.BinarySub, ops.BinaryMul, ops.BinaryMax, ops.BinaryMin, ops.BinarySquaredDiff} {
		cs = append(cs, intCase{&ops.Binary{Fn: fn, Act: ops.Relu, Out: out(i8, 0.08, -5)}, []tensor.Spec{img, quantised(i8, 0.03, 7, 1, 7, 1, 4)}, nil},
			intCase{&ops.Binary{Fn: fn, Out: out(u8, 0.08, 99)}, []tensor.Spec{uimg, quantised(u8, 0.5, 7, 1, 7, 6, 4)}, nil})
	}
	// A ratio of scales that fixed point does not take.
	return append(cs, intCase{&ops.Binary{Fn: ops.BinaryAdd, Out: out(u8, 90, 99)}, []tensor.Spec{uimg, uimg}, nil})
}

func (c intCase) graph(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder("integers")
	var in []graph.ID
	for i, s := range c.in {
		in = append(in, b.Input(fmt.Sprint("in", i), s, true))
	}
	b.Output("y", b.Add("it", c.op, c.params, in...))
	g, err := b.Build()
	require.NoError(t, err, "%#v", c.op)
	return g
}

// sameBits runs g on b and by the operators' definitions, which agree in every bit.
func sameBits(t *testing.T, b accel.Backend, g *graph.Graph, batch int) {
	t.Helper()
	model, got := sessionOf(t, b, g, batch)
	cpu, err := runtime.New(g, runtime.WithReference(), runtime.WithGraphAsIs())
	require.NoError(t, err)
	defer cpu.Close()
	want, err := cpu.NewSession(runtime.WithBatch(batch))
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		for i := range got.NumInputs() {
			x := got.Input(i)
			if x.DType == tensor.F32 {
				for j := range x.F32() {
					x.F32()[j] = float32(rng.NormFloat64())
				}
			} else {
				for j := range x.Data {
					x.Data[j] = byte(rng.Uint32())
				}
			}
			copy(want.Input(i).Data, x.Data)
		}
		require.NoError(t, want.Run(t.Context()))
		require.NoError(t, got.Run(t.Context()))
		for i := range got.NumOutputs() {
			require.Equal(t, want.Output(i).Spec, got.Output(i).Spec)
			require.Equal(t, want.Output(i).Data, got.Output(i).Data)
		}
	}
	require.NoError(t, got.Close())
	require.NoError(t, model.Close())
}

// TestIntegers: every operator on integers gives the CPU's bits, on devices with
// tensor cores for integers and on those without.
func TestIntegers(t *testing.T) {
	launched := map[string]int{}
	for _, capable := range [][2]int{{7, 0}, {8, 0}} {
		for i, c := range intCases() {
			t.Run(fmt.Sprintf("%d %d %v", capable[0], i, c.op.Kind()), func(t *testing.T) {
				d := newFake()
				d.capable = capable
				b, err := open(d)
				require.NoError(t, err)
				sameBits(t, b, c.graph(t), 2)
				require.NoError(t, b.Close())
				for k, n := range d.launched {
					launched[k] += n
				}
			})
		}
	}
	for k := range fakeInts {
		require.Positive(t, launched[k], "no case launches %s", k)
	}
	for _, k := range []string{"conv_i8_64", "conv_i8_128", "conv_i8z_64", "cut_i8", "join_i8"} {
		require.Positive(t, launched[k], "no case launches %s", k)
	}
}

// TestIntegersRefused: what has no kernel is named.
func TestIntegersRefused(t *testing.T) {
	g := intCases()[0].graph(t)
	b, err := open(newFake())
	require.NoError(t, err)
	_, err = b.Compile(g, accel.Options{Precision: ops.PrecisionF16})
	require.ErrorContains(t, err, "integers and activations of f16 do not go together")
	p, err := b.Compile(g, accel.Options{Precision: ops.PrecisionTF32})
	require.NoError(t, err)
	require.NoError(t, p.(*program).Close())
	require.NoError(t, b.Close())
}
