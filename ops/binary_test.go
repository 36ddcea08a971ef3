package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

var broadcastShapes = [][2][]int{
	{{2, 3, 5}, {2, 3, 5}},
	{{2, 3, 5}, {5}},
	{{5}, {2, 3, 5}},
	{{2, 3, 5}, {1}},
	{{2, 3, 5}, {}},
	{{2, 1, 4}, {3, 1}},
	{{2, 3, 1, 5}, {2, 1, 4, 1}},
	{{1, 2, 1, 3, 1}, {2, 2, 2, 1, 2}},
	{{2, 3, 19}, {2, 1, 19}},
}

func TestBinaryBroadcast(t *testing.T) {
	for _, s := range broadcastShapes {
		a, b := normalTensor(1, s[0]...), normalTensor(2, s[1]...)
		out, err := Run(&Binary{Fn: BinarySub}, []tensor.Tensor{a, b}, nil)
		require.NoError(t, err)
		st := out.Shape.Strides()
		for i, got := range out.F32() {
			pick := func(x tensor.Tensor) float32 {
				at, own := 0, x.Shape.Strides()
				for d := range x.Shape.Rank() {
					od := d + out.Shape.Rank() - x.Shape.Rank()
					if x.Shape.Dim(d) > 1 {
						at += i / st[od] % out.Shape.Dim(od) * own[d]
					}
				}
				return x.F32()[at]
			}
			require.Equal(t, pick(a)-pick(b), got)
		}
	}
}

func TestBinaryFast(t *testing.T) {
	shapes := append([][2][]int{{{2, 90, 200}, {2, 90, 200}}, {{2, 9000}, {2, 1}}, {{1, 90}, {300, 1}}, {{40000}, {1}},
		{{2, 90, 32}, {2, 1, 32}}, {{7}, {1, 33, 40, 7}}, {{3, 1, 1, 500}, {3, 5, 9, 500}}, {{4, 3, 513}, {513}}, {{5, 0}, {1, 0}}}, broadcastShapes...)
	for fn := BinaryAdd; fn < numBinary; fn++ {
		for i, s := range shapes {
			in := []tensor.Tensor{normalTensor(1, s[0]...), normalTensor(2, s[1]...)}
			acts := []Act{{}}
			if i%4 == 0 {
				acts = []Act{{}, Relu, Clip(-0.5, 0.5), {Fn: UnarySigmoid}}
			}
			for _, act := range acts {
				checkFast(t, &Binary{Fn: fn, Act: act}, in, nil, 1e-6)
			}
		}
	}
}

func TestBinaryNaN(t *testing.T) {
	nan := float32(math.NaN())
	in := []tensor.Tensor{tensor.FromF32([]float32{nan, 1, nan}, 3), tensor.FromF32([]float32{1, nan, nan}, 3)}
	for _, fn := range []BinaryFn{BinaryMin, BinaryMax} {
		for _, reference := range []bool{true, false} {
			out, err := RunPrepared(&Binary{Fn: fn}, in, nil, &Prep{Reference: reference}, nil)
			require.NoError(t, err)
			for _, v := range out.F32() {
				require.True(t, v != v)
			}
		}
	}
}

func TestBinaryIntegers(t *testing.T) {
	a := tensor.FromI64([]int64{7, -7, 7, -7, 5, math.MinInt64}, 6)
	b := tensor.FromI64([]int64{2, 2, -2, -2, 0, -1}, 6)
	for fn, want := range map[BinaryFn][]int64{
		BinaryAdd:      {9, -5, 5, -9, 5, math.MaxInt64},
		BinaryDiv:      {3, -3, -3, 3, 0, math.MinInt64},
		BinaryMod:      {1, 1, -1, -1, 0, 0},
		BinaryFMod:     {1, -1, 1, -1, 0, 0},
		BinaryFloorDiv: {3, -4, -4, 3, 0, math.MinInt64},
		BinaryPow:      {49, 49, 0, 0, 1, 0},
		BinaryMax:      {7, 2, 7, -2, 5, -1},
	} {
		out, err := Run(&Binary{Fn: fn}, []tensor.Tensor{a, b}, nil)
		require.NoError(t, err)
		require.Equal(t, want, out.I64(), "fn %d", fn)
	}
	_, err := (&Binary{}).Infer(Specs([]tensor.Tensor{a, tensor.FromI32([]int32{1}, 1)}), nil)
	require.ErrorContains(t, err, "want one type")
	_, err = (&Binary{}).Infer(Specs([]tensor.Tensor{a, tensor.FromI64([]int64{1, 2}, 2)}), nil)
	require.ErrorContains(t, err, "broadcast")
}

func TestBinaryGrad(t *testing.T) {
	for fn := BinaryAdd; fn < numBinary; fn++ {
		for _, s := range broadcastShapes {
			t.Run(fmt.Sprint(fn, s), func(t *testing.T) {
				a, b := normalTensor(1, s[0]...), normalTensor(2, s[1]...)
				// Far from kinks, poles and jumps: a in 1.1..1.4, b near 2.2..2.8 or 0.8.
				for i, v := range a.F32() {
					a.F32()[i] = float32(1.25 + 0.15*math.Tanh(float64(v)))
				}
				for i, v := range b.F32() {
					b.F32()[i] = float32(2.5 + 0.3*math.Tanh(float64(v)))
					if v < 0 && fn != BinaryMod && fn != BinaryFMod && fn != BinaryFloorDiv {
						b.F32()[i] -= 1.8
					}
				}
				checkGrad(t, &Binary{Fn: fn}, []tensor.Tensor{a, b}, nil)
				checkGrad(t, &Binary{Fn: fn}, []tensor.Tensor{a}, []tensor.Tensor{b})
			})
		}
	}
}

func TestBinaryGradAct(t *testing.T) {
	a, b := normalTensor(1, 4, 9), normalTensor(2, 9)
	for i := range a.F32() { // sums stay away from the limits
		s := a.F32()[i] + b.F32()[i%9]
		for _, k := range []float32{0, 1} {
			if d := s - k; math.Abs(float64(d)) < 0.1 {
				a.F32()[i] += float32(math.Copysign(0.1, float64(d)))
			}
		}
	}
	checkGrad(t, &Binary{Fn: BinaryAdd, Act: Relu}, []tensor.Tensor{a, b}, nil)
	checkGrad(t, &Binary{Fn: BinaryAdd, Act: Clip(0, 1)}, []tensor.Tensor{a, b}, nil)
	_, err := (&Binary{Act: Act{Fn: UnarySigmoid}}).Backward(&GradPrep{In: Specs([]tensor.Tensor{a, b}), Out: a.Spec})
	require.ErrorContains(t, err, "node of its own")
}

func TestPRelu(t *testing.T) {
	x := awayFrom(1, 0.06, []float64{0}, 2, 3, 4, 5)
	for _, slope := range [][]int{{5}, {1}, {4, 5}, {2, 3, 4, 5}, {3, 1, 1}} {
		s := normalTensor(2, slope...)
		checkFast(t, &PRelu{}, []tensor.Tensor{x}, []tensor.Tensor{s}, 1e-6)
		checkGrad(t, &PRelu{}, []tensor.Tensor{x}, []tensor.Tensor{s})
	}
	_, err := (&PRelu{}).Infer([]tensor.Spec{x.Spec, tensor.F32Spec(7)}, nil)
	require.ErrorContains(t, err, "slope")
}
