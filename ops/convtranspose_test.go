package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

type transposeCase struct {
	op       ConvTranspose
	x, w     []int
	wantSize []int // spatial extents of the result
}

func transposeCases() []transposeCase {
	return []transposeCase{
		{ConvTranspose{Window: Window{Stride: []int{2, 2}}}, []int{2, 3, 4, 5}, []int{5, 2, 2, 7}, []int{6, 8}},
		{ConvTranspose{Window: Window{Stride: []int{2, 2}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}}, []int{1, 4, 5, 3}, []int{3, 4, 4, 6}, []int{8, 10}},
		{ConvTranspose{}, []int{1, 4, 5, 3}, []int{3, 3, 3, 33}, []int{6, 7}},
		{ConvTranspose{Window: Window{Stride: []int{2, 3}, Dilation: []int{2, 1}, PadLo: []int{1, 0}, PadHi: []int{0, 2}}, OutputPad: []int{1, 2}}, []int{2, 3, 4, 3}, []int{3, 3, 2, 4}, []int{9, 11}},
		{ConvTranspose{Window: Window{Stride: []int{3, 3}}}, []int{1, 3, 2, 4}, []int{4, 2, 1, 5}, []int{8, 4}}, // places no window reaches
		{ConvTranspose{Window: Window{Stride: []int{2, 2}}, Groups: 2}, []int{1, 3, 3, 6}, []int{6, 3, 3, 4}, []int{7, 7}},
		{ConvTranspose{Window: Window{Stride: []int{2, 2}}, Groups: 4}, []int{1, 3, 3, 4}, []int{4, 3, 3, 1}, []int{7, 7}},
		{ConvTranspose{Window: Window{Stride: []int{2}, PadLo: []int{1}, PadHi: []int{1}}, OutputPad: []int{1}}, []int{2, 5, 3}, []int{3, 3, 4}, []int{10}},
		{ConvTranspose{Window: Window{Stride: []int{1, 2, 2}, PadLo: []int{1, 0, 0}, PadHi: []int{0, 1, 0}}}, []int{1, 2, 3, 2, 3}, []int{3, 2, 3, 2, 5}, []int{2, 6, 4}},
		{ConvTranspose{Window: Window{Stride: []int{2, 2}, Auto: PadSameUpper}}, []int{1, 3, 4, 2}, []int{2, 3, 3, 3}, []int{6, 8}},
		{ConvTranspose{Window: Window{Stride: []int{2, 2}, Auto: PadSameLower}}, []int{1, 3, 4, 2}, []int{2, 3, 3, 3}, []int{6, 8}},
		{ConvTranspose{Window: Window{Stride: []int{3, 2}}, OutputShape: []int{10, 8}}, []int{1, 3, 3, 1}, []int{1, 3, 3, 2}, []int{10, 8}},
		{ConvTranspose{Window: Window{Stride: []int{2, 2}, PadLo: []int{5, 5}, PadHi: []int{5, 5}, Auto: PadValid}}, []int{1, 2, 2, 2}, []int{2, 2, 2, 2}, []int{4, 4}},
	}
}

// transposeSum is the definition, written out by coordinates: each place of x
// adds to each place of its window.
func transposeSum(c *transposeCase, lo []int, x, w, bias tensor.Tensor, out tensor.Shape) []float64 {
	groups := max(c.op.Groups, 1)
	rank, ic, icg, ocg := len(c.x)-2, c.x[len(c.x)-1], c.x[len(c.x)-1]/groups, c.w[len(c.w)-1]
	y := make([]float64, out.Elems())
	for i := range y {
		if !bias.IsZero() {
			y[i] = float64(bias.F32()[i%out.Channels()])
		}
	}
	or := func(v []int, i, def int) int {
		if v == nil {
			return def
		}
		return v[i]
	}
	taps := c.w[1 : 1+rank]
	for i, v := range x.F32() {
		ch, rest := i%ic, i/ic
		at := make([]int, rank)
		for d := rank - 1; d >= 0; d-- {
			at[d] = rest % c.x[1+d]
			rest /= c.x[1+d]
		}
		for tap := range tensor.Of(taps...).Elems() {
			pos, trest, inside := rest, tap, true
			k := make([]int, rank)
			for d := rank - 1; d >= 0; d-- {
				k[d] = trest % taps[d]
				trest /= taps[d]
			}
			for d := range rank {
				p := at[d]*or(c.op.Stride, d, 1) + k[d]*or(c.op.Dilation, d, 1) - lo[d]
				inside = inside && p >= 0 && p < out.Dim(1+d)
				pos = pos*out.Dim(1+d) + p
			}
			for j := 0; inside && j < ocg; j++ {
				y[pos*ocg*groups+ch/icg*ocg+j] += float64(v) * float64(w.F32()[(ch*tensor.Of(taps...).Elems()+tap)*ocg+j])
			}
		}
	}
	return y
}

// eighths is normalTensor in multiples of 1/8, whose sums of products are exact
// in float32, in any order.
func eighths(seed uint64, dims ...int) tensor.Tensor {
	x := normalTensor(seed, dims...)
	for i, v := range x.F32() {
		x.F32()[i] = float32(math.Round(8*float64(v)) / 8)
	}
	return x
}

func TestConvTranspose(t *testing.T) {
	for i, c := range transposeCases() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			groups := max(c.op.Groups, 1)
			x, w := eighths(1, c.x...), eighths(2, c.w...)
			bias := eighths(3, c.w[len(c.w)-1]*groups)
			out, err := Run(&c.op, []tensor.Tensor{x}, []tensor.Tensor{w, bias})
			require.NoError(t, err)
			require.Equal(t, c.wantSize, out.Shape.Dims()[1:len(c.x)-1])
			s, err := c.op.resolve([]tensor.Spec{x.Spec}, Specs([]tensor.Tensor{w, bias}))
			require.NoError(t, err)
			lo := s.PadLo[MaxSpatial-s.Rank:]
			for j, want := range transposeSum(&c, lo, x, w, bias, out.Shape) {
				require.InDelta(t, want, out.F32()[j], 1e-5, "element %d", j)
			}
			for _, params := range [][]tensor.Tensor{{w}, {w, bias}} {
				checkFast(t, &c.op, []tensor.Tensor{x}, params, 1e-6)
				checkGradWith(t, &c.op, []tensor.Tensor{x}, params, gradOptions{Step: 0.5})
			}
			checkFast(t, &c.op, []tensor.Tensor{x, w, bias}, nil, 1e-6)
			for _, act := range []Act{Relu, Clip(-1, 0.5), {Fn: UnarySigmoid}} {
				op := c.op
				op.Act = act
				checkFast(t, &op, []tensor.Tensor{x}, []tensor.Tensor{w, bias}, 1e-6)
			}
		})
	}
}

// TestConvTransposePadding: TensorFlow and ONNX's SAME_UPPER crop the odd
// element after, SAME_LOWER before.
func TestConvTransposePadding(t *testing.T) {
	x, w := tensor.FromF32([]float32{1, 10}, 1, 2, 1), tensor.FromF32([]float32{1, 2, 3}, 1, 3, 1)
	// Stride 2 in full: 1 2 3+10 20 30.
	for auto, want := range map[AutoPad][]float32{
		PadSameUpper: {1, 2, 13, 20}, PadSameLower: {2, 13, 20, 30}, PadValid: {1, 2, 13, 20, 30}, PadExplicit: {1, 2, 13, 20, 30},
	} {
		out, err := Run(&ConvTranspose{Window: Window{Stride: []int{2}, Auto: auto}}, []tensor.Tensor{x}, []tensor.Tensor{w})
		require.NoError(t, err)
		require.Equal(t, want, out.F32(), "padding mode %d", auto)
	}
}

func TestConvTransposeGradientOfClamp(t *testing.T) {
	x, w := normalTensor(1, 1, 3, 3, 2), normalTensor(2, 2, 2, 2, 3)
	op := &ConvTranspose{Window: Window{Stride: []int{2, 2}}, Act: Clip(-4, 4)}
	y, err := Run(&ConvTranspose{Window: op.Window}, []tensor.Tensor{x}, []tensor.Tensor{w})
	require.NoError(t, err)
	for _, v := range y.F32() {
		if d := math.Abs(math.Abs(float64(v)) - 4); d < 0.2 {
			t.Fatalf("%v is too near the clamp for differences", v)
		}
	}
	checkGrad(t, op, []tensor.Tensor{x}, []tensor.Tensor{w})
}

func TestConvTransposeRefuses(t *testing.T) {
	x := tensor.F32Spec(1, 3, 3, 4)
	for name, c := range map[string]struct {
		op ConvTranspose
		w  []int
	}{
		"channels":      {ConvTranspose{}, []int{3, 2, 2, 1}},
		"groups":        {ConvTranspose{Groups: 3}, []int{4, 2, 2, 1}},
		"more groups":   {ConvTranspose{Groups: 8}, []int{4, 2, 2, 1}},
		"minus groups":  {ConvTranspose{Groups: -1}, []int{4, 2, 2, 1}},
		"rank":          {ConvTranspose{}, []int{4, 2, 1}},
		"stride":        {ConvTranspose{Window: Window{Stride: []int{0, 1}}}, []int{4, 2, 2, 1}},
		"strides":       {ConvTranspose{Window: Window{Stride: []int{1}}}, []int{4, 2, 2, 1}},
		"padding":       {ConvTranspose{Window: Window{PadLo: []int{2, 2}, PadHi: []int{2, 2}}}, []int{4, 2, 2, 1}},
		"large padding": {ConvTranspose{Window: Window{PadLo: []int{1 << 30, 0}}}, []int{4, 2, 2, 1}},
	} {
		_, err := c.op.Infer([]tensor.Spec{x, tensor.F32Spec(c.w...)}, nil)
		require.Error(t, err, name)
	}
	op := &ConvTranspose{}
	for _, params := range [][]tensor.Tensor{nil, {normalTensor(1, 2)}} {
		in := []tensor.Spec{x, tensor.F32Spec(4, 2, 2, 2)}
		_, err := op.Backward(&GradPrep{In: in, Params: params, Out: x})
		require.ErrorContains(t, err, "weights are inputs")
	}
}
