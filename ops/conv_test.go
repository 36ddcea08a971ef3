package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// convCase is one convolution; the same list serves every check of it.
type convCase struct {
	name     string
	in       []int // [n, spatial..., ic]
	oc       int
	kernel   []int
	conv     Conv
	noBias   bool
	residual bool
}

var convCases = []convCase{
	{name: "1x1", in: []int{2, 5, 7, 19}, oc: 37, kernel: []int{1, 1}},
	{name: "1x1 relu", in: []int{1, 13, 13, 64}, oc: 64, kernel: []int{1, 1}, conv: Conv{Act: Relu}},
	{name: "1x1 stride 2", in: []int{1, 9, 8, 16}, oc: 33, kernel: []int{1, 1}, conv: Conv{Window: Window{Stride: []int{2, 2}}}},
	{name: "3x3 same", in: []int{2, 9, 10, 17}, oc: 21, kernel: []int{3, 3}, conv: Conv{Window: Window{Auto: PadSameUpper}}},
	{name: "3x3 stride 2 lower", in: []int{1, 10, 9, 16}, oc: 32, kernel: []int{3, 3}, conv: Conv{Window: Window{Stride: []int{2, 2}, Auto: PadSameLower}}},
	{name: "first layer", in: []int{2, 17, 16, 3}, oc: 16, kernel: []int{7, 7}, conv: Conv{Window: Window{Stride: []int{2, 2}, PadLo: []int{3, 3}, PadHi: []int{3, 3}}, Act: Clip(-1, 1)}},
	{name: "first layer uneven", in: []int{1, 12, 14, 3}, oc: 8, kernel: []int{3, 3}, conv: Conv{Window: Window{Stride: []int{2, 2}, PadLo: []int{0, 0}, PadHi: []int{1, 1}}}},
	{name: "first layer copied in parts", in: []int{2, 41, 43, 3}, oc: 9, kernel: []int{3, 3}, conv: Conv{Window: Window{Stride: []int{2, 2}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}}},
	{name: "3-D copied in parts", in: []int{2, 7, 17, 15, 4}, oc: 5, kernel: []int{3, 3, 3}, conv: Conv{Window: Window{Stride: []int{2, 2, 1}, PadLo: []int{1, 1, 1}, PadHi: []int{1, 0, 1}}}},
	{name: "dilated", in: []int{1, 12, 11, 8}, oc: 9, kernel: []int{3, 2}, conv: Conv{Window: Window{Dilation: []int{2, 3}, PadLo: []int{2, 1}, PadHi: []int{1, 2}}}},
	{name: "groups", in: []int{2, 6, 6, 12}, oc: 18, kernel: []int{3, 3}, conv: Conv{Groups: 3, Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}}},
	{name: "groups of four", in: []int{2, 15, 17, 32}, oc: 32, kernel: []int{3, 3}, conv: Conv{Groups: 8, Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: Relu}},
	{name: "two filters a channel", in: []int{2, 9, 12, 24}, oc: 48, kernel: []int{3, 3}, conv: Conv{Groups: 24, Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}}},
	{name: "groups of two and four", in: []int{1, 8, 11, 24}, oc: 48, kernel: []int{3, 3}, conv: Conv{Groups: 12, Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: Relu}},
	{name: "groups of eight", in: []int{1, 15, 16, 64}, oc: 64, kernel: []int{3, 3}, conv: Conv{Groups: 8, Window: Window{Stride: []int{2, 2}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: Act{Fn: UnarySwish, A: 1}}},
	{name: "groups of sixteen", in: []int{2, 9, 30, 48}, oc: 48, kernel: []int{3, 3}, noBias: true, conv: Conv{Groups: 3, Window: Window{Auto: PadValid}}},
	{name: "depthwise 3x3", in: []int{2, 9, 9, 35}, oc: 35, kernel: []int{3, 3}, conv: Conv{Groups: 35, Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: Clip(0, 6)}},
	{name: "depthwise 3x3 stride 2", in: []int{1, 14, 13, 24}, oc: 24, kernel: []int{3, 3}, conv: Conv{Groups: 24, Window: Window{Stride: []int{2, 2}, Auto: PadSameUpper}}},
	{name: "depthwise 5x5", in: []int{1, 11, 12, 16}, oc: 16, kernel: []int{5, 5}, conv: Conv{Groups: 16, Window: Window{Auto: PadSameUpper}}},
	{name: "depthwise multiplier", in: []int{1, 7, 7, 5}, oc: 10, kernel: []int{3, 3}, conv: Conv{Groups: 5, Window: Window{Auto: PadSameUpper}}},
	{name: "depthwise residual", in: []int{1, 7, 7, 5}, oc: 5, kernel: []int{3, 3}, residual: true, conv: Conv{Groups: 5, Window: Window{Auto: PadSameUpper}, Act: Relu}},
	{name: "depthwise 3-D", in: []int{1, 4, 5, 6, 7}, oc: 7, kernel: []int{3, 3, 3}, conv: Conv{Groups: 7, Window: Window{Auto: PadSameUpper}}},
	{name: "depthwise dilated", in: []int{1, 9, 12, 20}, oc: 20, kernel: []int{3, 3}, conv: Conv{Groups: 20, Window: Window{Dilation: []int{2, 2}, PadLo: []int{2, 2}, PadHi: []int{2, 2}}}},
	{name: "1-D", in: []int{2, 23, 6}, oc: 7, kernel: []int{5}, conv: Conv{Window: Window{Stride: []int{2}, PadLo: []int{2}, PadHi: []int{2}}}},
	{name: "3-D", in: []int{1, 5, 6, 7, 4}, oc: 5, kernel: []int{3, 2, 3}, conv: Conv{Window: Window{Stride: []int{1, 2, 1}, PadLo: []int{1, 0, 1}, PadHi: []int{1, 1, 0}}}},
	{name: "residual relu", in: []int{2, 8, 8, 16}, oc: 16, kernel: []int{3, 3}, residual: true, conv: Conv{Window: Window{Auto: PadSameUpper}, Act: Relu}},
	{name: "no bias", in: []int{1, 8, 8, 16}, oc: 40, kernel: []int{3, 3}, noBias: true, conv: Conv{Window: Window{Auto: PadSameUpper}}},
	{name: "pad past the input", in: []int{1, 3, 3, 4}, oc: 4, kernel: []int{5, 5}, conv: Conv{Window: Window{PadLo: []int{4, 4}, PadHi: []int{4, 4}}}},
	{name: "swish", in: []int{1, 5, 5, 8}, oc: 8, kernel: []int{1, 1}, conv: Conv{Act: Act{Fn: UnarySwish, A: 1}}},
	{name: "3x3 small image", in: []int{2, 7, 7, 32}, oc: 48, kernel: []int{3, 3}, residual: true, conv: Conv{Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: Relu}},
	{name: "3x3 valid", in: []int{1, 13, 11, 32}, oc: 16, kernel: []int{3, 3}, conv: Conv{Window: Window{Auto: PadValid}}},
	{name: "3x3 wide", in: []int{1, 14, 14, 64}, oc: 64, kernel: []int{3, 3}, conv: Conv{Window: Window{Auto: PadSameUpper}, Act: Relu}},
}

// operands draws the tensors of a case.
func (c *convCase) operands(t testing.TB) (*Conv, []tensor.Tensor, []tensor.Tensor) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(len(c.name))))
	op := c.conv
	op.Residual = c.residual
	ic := c.in[len(c.in)-1]
	w := append(append([]int{c.oc}, c.kernel...), ic/max(1, op.Groups))
	in := []tensor.Tensor{randomTensor(rng, c.in...)}
	params := []tensor.Tensor{randomTensor(rng, w...)}
	if !c.noBias {
		params = append(params, randomTensor(rng, c.oc))
	}
	if c.residual {
		plain := op
		plain.Residual = false
		s, err := plain.Infer(Specs(in), Specs(params))
		require.NoError(t, err)
		in = append(in, randomTensor(rng, s.Shape.Dims()...))
	}
	return &op, in, params
}

func randomTensor(rng *rand.Rand, dims ...int) tensor.Tensor {
	x := tensor.New(tensor.F32Spec(dims...))
	for i, v := 0, x.F32(); i < len(v); i++ {
		v[i] = float32(rng.NormFloat64())
	}
	return x
}

// relative is the norm of a-b over that of b.
func relative(a, b []float32) float64 {
	var d, n float64
	for i := range b {
		d += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / max(n, 1e-30))
}

// TestConvFast checks every path against the definition, for one thread and
// for several, whose bits must be the same.
func TestConvFast(t *testing.T) {
	for _, c := range convCases {
		t.Run(c.name, func(t *testing.T) {
			op, in, params := c.operands(t)
			want, err := Run(op, in, params)
			require.NoError(t, err)
			for _, exact := range []bool{true, false} {
				one, err := RunPrepared(op, in, params, &Prep{Threads: 1, Exact: exact}, nil)
				require.NoError(t, err)
				limit := 2e-6
				if !exact {
					limit = 3e-5
				}
				require.Less(t, relative(one.F32(), want.F32()), limit)
				for _, threads := range []int{2, 3} {
					pl := pool.New(threads)
					got, err := RunPrepared(op, in, params, &Prep{Threads: pl.Threads(), Exact: exact}, pl)
					pl.Close()
					require.NoError(t, err)
					require.Equal(t, one.Data, got.Data, "bits differ on %d threads", threads)
				}
			}
		})
	}
}

// TestConvBF16 checks products of bfloat16: close to float32, the same bits on
// any number of threads; where they are slow, float32 in their place.
func TestConvBF16(t *testing.T) {
	if kern.SelectGemmBF16() == nil {
		t.Skip("this processor has no bfloat16 products")
	}
	cputest.ForEachPath(t, "f32forbf16/", func(t *testing.T) {
		for _, c := range convCases {
			op, in, params := c.operands(t)
			want, err := Run(op, in, params)
			require.NoError(t, err)
			one, err := RunPrepared(op, in, params, &Prep{Threads: 1, Exact: true, Precision: PrecisionBF16, Halves: BF16Products}, nil)
			require.NoError(t, err)
			require.Less(t, relative(one.F32(), want.F32()), 1e-2, c.name)
			pl := pool.New(2)
			two, err := RunPrepared(op, in, params, &Prep{Threads: 2, Exact: true, Precision: PrecisionBF16, Halves: BF16Products}, pl)
			pl.Close()
			require.NoError(t, err)
			require.Equal(t, one.Data, two.Data, c.name)
		}
	})
}

// TestConvDynamicWeights checks weights that are inputs.
func TestConvDynamicWeights(t *testing.T) {
	for _, c := range convCases {
		if c.residual {
			continue
		}
		op, in, params := c.operands(t)
		want, err := Run(op, in, params)
		require.NoError(t, err)
		got, err := RunPrepared(op, append(in, params...), nil, &Prep{Threads: 1}, nil)
		require.NoError(t, err)
		require.Equal(t, want.Data, got.Data, c.name)
	}
}

// TestConvPitch checks that rows can be written into a wider tensor and that
// nothing between them is touched.
func TestConvPitch(t *testing.T) {
	for _, c := range convCases {
		t.Run(c.name, func(t *testing.T) {
			op, in, params := c.operands(t)
			want, err := RunPrepared(op, in, params, &Prep{Threads: 1}, nil)
			require.NoError(t, err)
			for _, ref := range []bool{true, false} {
				pitch := c.oc + 5
				p := &Prep{In: Specs(in), Params: params, Out: want.Spec, Threads: 1, OutPitch: pitch, Reference: ref}
				k, err := op.Prepare(p)
				require.NoError(t, err)
				rows := want.Shape.Rows()
				wide := tensor.New(tensor.F32Spec(rows * pitch))
				for i := range wide.F32() {
					wide.F32()[i] = 77
				}
				out := tensor.Tensor{Spec: want.Spec, Data: wide.Data[:((rows-1)*pitch+c.oc)*4]}
				k.Run(&Args{In: in, Out: out, Scratch: tensor.AlignedBytes(p.Requests().Scratch)})
				for r := range rows {
					got := wide.F32()[r*pitch : (r+1)*pitch]
					require.Less(t, relative(got[:c.oc], want.F32()[r*c.oc:(r+1)*c.oc]), 1e-4, "row %d", r)
					for _, v := range got[c.oc:] {
						require.Equal(t, float32(77), v, "written between rows")
					}
				}
			}
		})
	}
}

// TestConvAllocs checks that a run allocates nothing.
func TestConvAllocs(t *testing.T) {
	for _, c := range convCases {
		op, in, params := c.operands(t)
		p := &Prep{In: Specs(in), Params: params, Threads: 1}
		var err error
		p.Out, err = op.Infer(p.In, Specs(params))
		require.NoError(t, err)
		k, err := op.Prepare(p)
		require.NoError(t, err)
		a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(p.Requests().Scratch)}
		noAllocs(t, 3, func() { k.Run(a) }, c.name)
	}
}

// TestConvGradFast checks the packed gradients against the plain ones, and
// that their bits do not depend on the number of threads.
func TestConvGradFast(t *testing.T) {
	for _, c := range convCases {
		if _, _, ok := c.conv.Act.Clamp(); !ok {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			op, in, params := c.operands(t)
			want := convGradients(t, op, in, params, GradPrep{Reference: true, Threads: 1})
			one := convGradients(t, op, in, params, GradPrep{Threads: 1})
			for i := range want {
				require.Less(t, relative(one[i].F32(), want[i].F32()), 1e-5, "gradient %d", i)
			}
			two := convGradients(t, op, in, params, GradPrep{Threads: 2})
			for i := range one {
				require.Equal(t, one[i].Data, two[i].Data, "gradient %d differs on two threads", i)
			}
		})
	}
}

func convGradients(t *testing.T, op *Conv, in, params []tensor.Tensor, p GradPrep) []tensor.Tensor {
	t.Helper()
	out, err := RunPrepared(op, in, params, &Prep{Reference: p.Reference, Exact: true}, nil)
	require.NoError(t, err)
	pl := pool.New(p.Threads)
	defer pl.Close()
	p.In, p.Params, p.Out = Specs(in), params, out.Spec
	for range in {
		p.NeedIn = append(p.NeedIn, true)
	}
	for range params {
		p.NeedParam = append(p.NeedParam, true)
	}
	k, err := op.Backward(&p)
	require.NoError(t, err)
	g := &Grads{In: in, Params: params, Out: out, DOut: randomTensor(rand.New(rand.NewPCG(9, 9)), out.Shape.Dims()...), Pool: pl, Scratch: tensor.AlignedBytes(p.ScratchSize())}
	var all []tensor.Tensor
	for _, x := range in {
		g.DIn = append(g.DIn, tensor.New(x.Spec))
	}
	for _, x := range params {
		g.DParams = append(g.DParams, tensor.New(x.Spec))
	}
	all = append(append(all, g.DIn...), g.DParams...)
	k.Run(g)
	return all
}

// TestConvErrors checks that wrong operands are named.
func TestConvErrors(t *testing.T) {
	f := func(d ...int) tensor.Spec { return tensor.F32Spec(d...) }
	for _, c := range []struct {
		op     Conv
		x      tensor.Spec
		params []tensor.Spec
		want   string
	}{
		{Conv{}, f(1, 8, 8, 3), []tensor.Spec{f(4, 3, 3, 2)}, "weight"},
		{Conv{}, f(1, 8, 8, 3), []tensor.Spec{f(4, 9, 9, 3)}, "does not fit"},
		{Conv{}, f(1, 8, 8, 3), []tensor.Spec{f(4, 3, 3, 3), f(5)}, "bias"},
		{Conv{Groups: 2}, f(1, 8, 8, 3), []tensor.Spec{f(4, 3, 3, 3)}, "weight"},
		{Conv{Window: Window{Stride: []int{1}}}, f(1, 8, 8, 3), []tensor.Spec{f(4, 3, 3, 3)}, "stride"},
		{Conv{Window: Window{Stride: []int{0, 1}}}, f(1, 8, 8, 3), []tensor.Spec{f(4, 3, 3, 3)}, "stride"},
		{Conv{Residual: true}, f(1, 8, 8, 3), []tensor.Spec{f(4, 3, 3, 3)}, "residual"},
		{Conv{}, f(8, 3), []tensor.Spec{f(4, 3)}, "rank"},
	} {
		_, err := c.op.Infer([]tensor.Spec{c.x}, c.params)
		require.ErrorContains(t, err, c.want, fmt.Sprint(c.params))
	}
	// Weights that are computed leave a residual no place of its own.
	x, w, bias, res := f(1, 8, 8, 3), f(4, 3, 3, 3), f(4), f(1, 6, 6, 4)
	for _, in := range [][]tensor.Spec{{x, w, res}, {x, w, bias, res}} {
		_, err := (&Conv{Residual: true}).Infer(in, []tensor.Spec{bias}[:4-min(4, len(in))])
		require.ErrorContains(t, err, "as parameters")
	}
	_, err := (&Conv{Residual: true}).Infer([]tensor.Spec{x, res}, []tensor.Spec{w, bias})
	require.NoError(t, err)
}
