package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// normParams are scale, bias, mean and variance of c channels.
func normParams(c int) []tensor.Tensor {
	p := []tensor.Tensor{normalTensor(11, c), normalTensor(12, c), normalTensor(13, c), normalTensor(14, c)}
	for i, v := range p[3].F32() {
		p[3].F32()[i] = 0.5 + v*v
	}
	return p
}

func TestBatchNorm(t *testing.T) {
	for _, s := range [][]int{{2, 3, 4, 5}, {3, 1}, {1, 9, 1300}, {50, 40, 16}, {7, 2000}} {
		x := normalTensor(1, s...)
		params := normParams(s[len(s)-1])
		for _, op := range []*BatchNorm{{Eps: 1e-3}, {Eps: 1e-3, Training: true}, {Eps: 1e-3, Training: true, Output: 1, Momentum: 0.9}, {Eps: 1e-3, Training: true, Output: 2, Momentum: 0.9}} {
			checkFast(t, op, []tensor.Tensor{x}, params, 2e-6)
			checkFast(t, op, append([]tensor.Tensor{x}, params...), nil, 2e-6)
		}
	}
	bad := normParams(4)
	_, err := (&BatchNorm{}).Infer([]tensor.Spec{tensor.F32Spec(2, 5)}, Specs(bad))
	require.EqualError(t, err, "ops: BatchNorm: scale: want f32[5], got f32[4]")
}

// TestBatchNormTraining checks a training run's result and running statistics
// against sums written down here.
func TestBatchNormTraining(t *testing.T) {
	const rows, c = 300, 20
	for _, unbiased := range []bool{false, true} {
		for _, reference := range []bool{true, false} {
			x, params := normalTensor(1, 3, 100, c), normParams(c)
			for i := range x.F32() {
				x.F32()[i] += 30 // far from 0: the variance must not cancel
			}
			was := cloneAll(params)
			op := &BatchNorm{Eps: 1e-5, Momentum: 0.9, Unbiased: unbiased}
			p := &Prep{Training: true, Reference: reference}
			pool := closing(t, 3)
			p.Threads = 3
			out, err := RunPrepared(op, []tensor.Tensor{x}, params, p, pool)
			require.NoError(t, err)
			for ch := range c {
				mean, variance := 0.0, 0.0
				for r := range rows {
					mean += float64(x.F32()[r*c+ch]) / rows
				}
				for r := range rows {
					variance += math.Pow(float64(x.F32()[r*c+ch])-mean, 2) / rows
				}
				y := (float64(x.F32()[ch])-mean)/math.Sqrt(variance+1e-5)*float64(was[0].F32()[ch]) + float64(was[1].F32()[ch])
				require.InDelta(t, y, out.F32()[ch], 1e-5)
				if unbiased {
					variance *= rows / (rows - 1.0)
				}
				require.InDelta(t, 0.9*float64(was[2].F32()[ch])+0.1*mean, params[2].F32()[ch], 1e-5)
				require.InDelta(t, 0.9*float64(was[3].F32()[ch])+0.1*variance, params[3].F32()[ch], 1e-6)
			}
		}
	}
	// Frozen: the running statistics count and stay.
	x, params := normalTensor(1, 3, 10, 4), normParams(4)
	was := cloneAll(params)
	want, err := Run(&BatchNorm{Eps: 1e-5}, []tensor.Tensor{x}, params)
	require.NoError(t, err)
	out, err := RunPrepared(&BatchNorm{Eps: 1e-5}, []tensor.Tensor{x}, params, &Prep{Training: true, FrozenNorm: true}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, want.F32(), out.F32(), 1e-6)
	require.Equal(t, was, params)
}

// TestActivatedNorm checks a norm and an activation in one against the two, and its
// gradient where a clamp does not cut near a value.
func TestActivatedNorm(t *testing.T) {
	for _, act := range []Act{Relu, {Fn: UnaryClip, A: -0.5, B: 0.7}, {Fn: UnarySwish, A: 1}, {Fn: UnaryHardSwish}} {
		require.True(t, FusesNorm(act))
		for _, frozen := range []bool{false, true} {
			in, params := []tensor.Tensor{normalTensor(1, 30, 7, 20)}, normParams(20)
			op := &ActivatedNorm{BatchNorm{Eps: 1e-3, Momentum: 0.9}, act}
			for _, reference := range []bool{false, true} {
				p := &Prep{Training: true, FrozenNorm: frozen, Reference: reference}
				norm, err := RunPrepared(&op.BatchNorm, in, cloneAll(params), p, nil)
				require.NoError(t, err)
				want, err := Run(&Unary{Fn: act.Fn, A: act.A, B: act.B}, []tensor.Tensor{norm}, nil)
				require.NoError(t, err)
				got, err := RunPrepared(op, in, cloneAll(params), &Prep{Training: true, FrozenNorm: frozen, Reference: reference}, nil)
				require.NoError(t, err)
				if _, _, clamps := act.Clamp(); clamps {
					require.Equal(t, want.Data, got.Data)
				} else {
					require.InDeltaSlice(t, want.F32(), got.F32(), 1e-6)
				}
			}
			c := &gradChecker{op: op, in: in, params: params, gradOptions: gradOptions{FrozenNorm: frozen, NoParam: []int{2, 3}}}
			c.weights = normalTensor(4, in[0].Shape.Elems()).F32()
			plain, fast := c.backward(t, true, nil), c.backward(t, false, nil)
			two := &gradChecker{op: &op.BatchNorm, in: in, params: params, gradOptions: c.gradOptions}
			two.weights = append([]float32(nil), c.weights...)
			lo, hi, clamps := act.Clamp()
			for i, y := range c.forward(t, false).F32() {
				if clamps && !(lo < y && y < hi) {
					two.weights[i] = 0
				}
			}
			for i, y := range two.forward(t, false).F32() {
				if !clamps {
					two.weights[i] *= float32(unarySlope(act.Fn, float64(act.A), float64(act.B), float64(y)))
				}
			}
			apart := two.backward(t, true, nil)
			for i := range plain {
				if !plain[i].IsZero() {
					require.Less(t, relative(plain[i].F32(), apart[i].F32()), 1e-6)
					require.Less(t, relative(fast[i].F32(), apart[i].F32()), 1e-6)
				}
			}
		}
	}
}

func TestBatchNormGrad(t *testing.T) {
	for _, s := range [][]int{{3, 2, 2, 3}, {5, 2}} {
		for _, frozen := range []bool{false, true} {
			t.Run(fmt.Sprint(s, frozen), func(t *testing.T) {
				o := gradOptions{FrozenNorm: frozen, NoParam: []int{2, 3}}
				checkGradWith(t, &BatchNorm{Eps: 1e-3}, []tensor.Tensor{normalTensor(1, s...)}, normParams(s[len(s)-1]), o)
				o.NoParam = []int{0, 1, 2, 3}
				checkGradWith(t, &BatchNorm{Eps: 1e-3}, []tensor.Tensor{normalTensor(1, s...)}, normParams(s[len(s)-1]), o)
			})
		}
	}
}

// TestBatchNormGradLarge has many tiles and blocks.
func TestBatchNormGradLarge(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		x := normalTensor(1, 9, 41, 30, 20)
		c := &gradChecker{op: &BatchNorm{Eps: 1e-3}, in: []tensor.Tensor{x}, params: normParams(20)}
		c.gradOptions = gradOptions{FrozenNorm: frozen, NoParam: []int{2, 3}}
		c.weights = normalTensor(4, x.Shape.Elems()).F32()
		plain, fast, three := c.backward(t, true, nil), c.backward(t, false, nil), c.backward(t, false, closing(t, 3))
		for i := range plain {
			if plain[i].IsZero() {
				continue
			}
			want := make([]float64, len(plain[i].F32()))
			for j, v := range plain[i].F32() {
				want[j] = float64(v)
			}
			require.Less(t, relativeError(fast[i].F32(), want), 2e-6)
			require.Equal(t, fast[i].Data, three[i].Data)
		}
	}
}
