package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestUnaryValues(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		op      Unary
		x, want float64
	}{
		{Unary{Fn: UnaryRelu}, -1, 0},
		{Unary{Fn: UnaryRelu}, nan, nan},
		{Unary{Fn: UnaryClip, A: 0, B: 6}, 7, 6},
		{Unary{Fn: UnaryLeakyRelu, A: 0.1}, -2, -0.2},
		{Unary{Fn: UnaryElu, A: 2}, -1, 2 * (math.Exp(-1) - 1)},
		{Unary{Fn: UnarySelu, A: 1.5, B: 2}, -1, 3 * (math.Exp(-1) - 1)},
		{Unary{Fn: UnarySelu, A: 1.5, B: 2}, 3, 6},
		{Unary{Fn: UnaryCelu, A: 2}, -1, 2 * (math.Exp(-0.5) - 1)},
		{Unary{Fn: UnarySigmoid}, -1000, 0},
		{Unary{Fn: UnarySigmoid}, 0.3, 1 / (1 + math.Exp(-0.3))},
		{Unary{Fn: UnaryHardSigmoid, A: 0.2, B: 0.5}, 1, 0.7},
		{Unary{Fn: UnaryHardSwish}, 1, 2.0 / 3},
		{Unary{Fn: UnarySwish}, 2, 2 / (1 + math.Exp(-2))},
		{Unary{Fn: UnarySwish, A: 2}, 1, 1 / (1 + math.Exp(-2))},
		{Unary{Fn: UnaryMish}, 1, math.Tanh(math.Log(1 + math.E))},
		{Unary{Fn: UnaryGelu}, 1, 0.8413447460685429},
		{Unary{Fn: UnaryGelu, A: 1}, 1, 0.8411919906082768},
		{Unary{Fn: UnarySoftplus}, 200, 200},
		{Unary{Fn: UnarySoftplus}, -200, 0},
		{Unary{Fn: UnarySoftsign}, -3, -0.75},
		{Unary{Fn: UnaryRound}, 2.5, 2},
		{Unary{Fn: UnaryRound}, -1.5, -2},
		{Unary{Fn: UnarySign}, -0.1, -1},
		{Unary{Fn: UnarySign}, nan, nan},
		{Unary{Fn: UnaryThreshold, A: 1}, 0.9, 0},
		{Unary{Fn: UnaryShrink, A: 0.5, B: 0.25}, -1, -0.75},
		{Unary{Fn: UnaryRsqrt}, 4, 0.5},
		{Unary{Fn: UnaryLogSigmoid}, -50, -50},
		{Unary{Fn: UnarySquare}, -3, 9},
		{Unary{Fn: UnaryNeg}, -3, 3},
	} {
		for _, reference := range []bool{true, false} {
			in := []tensor.Tensor{tensor.FromF32([]float32{float32(c.x)}, 1)}
			out, err := RunPrepared(&c.op, in, nil, &Prep{Reference: reference}, nil)
			require.NoError(t, err)
			if c.want != c.want {
				require.True(t, out.F32()[0] != out.F32()[0], "fn %d of NaN", c.op.Fn)
				continue
			}
			require.InDelta(t, c.want, out.F32()[0], 1e-6*(1+math.Abs(c.want)), "fn %d of %v", c.op.Fn, c.x)
		}
	}
}

func unaryCase(fn UnaryFn) (op *Unary, kinks []float64, positive bool) {
	op = &Unary{Fn: fn}
	switch fn {
	case UnaryRelu, UnaryAbs, UnarySign:
		kinks = []float64{0}
	case UnaryClip:
		op.A, op.B, kinks = -0.5, 0.75, []float64{-0.5, 0.75}
	case UnaryLeakyRelu:
		op.A, kinks = 0.2, []float64{0}
	case UnaryElu, UnaryCelu:
		op.A, kinks = 1.5, []float64{0}
	case UnarySelu:
		op.A, op.B, kinks = 1.67, 1.05, []float64{0}
	case UnaryHardSigmoid:
		op.A, op.B, kinks = 0.5, 0.4, []float64{-0.8, 1.2}
	case UnarySwish:
		op.A = 1.3
	case UnaryThreshold:
		op.A, kinks = 0.4, []float64{0.4}
	case UnaryShrink:
		op.A, op.B, kinks = 0.5, 0.2, []float64{-0.5, 0.5}
	case UnaryLog, UnarySqrt, UnaryReciprocal, UnaryRsqrt, UnaryAcosh:
		positive = true
	}
	return op, kinks, positive
}

func TestUnaryGrad(t *testing.T) {
	for fn := UnaryNone; fn <= UnaryAtanh; fn++ {
		t.Run(fmt.Sprint(fn), func(t *testing.T) {
			op, kinks, positive := unaryCase(fn)
			x := awayFrom(uint64(fn)+1, 0.06, kinks, 3, 9)
			step := 0.0
			for i, v := range x.F32() {
				switch {
				case positive:
					x.F32()[i] = float32(1.3 + math.Abs(float64(v)))
				case fn == UnaryTan || fn >= UnaryAsin && fn != UnaryAsinh && fn != UnaryAtan:
					x.F32()[i] = float32(0.6 * math.Tanh(float64(v)))
					step = 0.01
				case fn == UnaryFloor || fn == UnaryCeil || fn == UnaryRound:
					x.F32()[i] = float32(math.Floor(float64(v)) + 0.25)
				}
			}
			checkGradWith(t, op, []tensor.Tensor{x}, nil, gradOptions{Step: step})
			checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
		})
	}
}

// TestUnaryGradVariants is functions whose parameters choose another path.
func TestUnaryGradVariants(t *testing.T) {
	x := []tensor.Tensor{normalTensor(1, 3, 200)}
	for _, op := range []*Unary{{Fn: UnaryGelu, A: 1}, {Fn: UnaryGelu}, {Fn: UnarySwish, A: 1}, {Fn: UnarySwish}} {
		checkGrad(t, op, x, nil)
		checkFast(t, op, x, nil, 3e-6)
	}
}

func TestUnaryFast(t *testing.T) {
	for fn := UnaryNone; fn <= UnaryAtanh; fn++ {
		op, _, positive := unaryCase(fn)
		x := normalTensor(3, 40000)
		for i, v := range x.F32() {
			x.F32()[i] = 3 * v
			if positive {
				x.F32()[i] = float32(1 + math.Abs(float64(v)))
			}
		}
		checkFast(t, op, []tensor.Tensor{x}, nil, 3e-6)
	}
}

// TestUnaryEdges is what is no ordinary number, and lengths round rowBuffer.
func TestUnaryEdges(t *testing.T) {
	inf := math.Inf(1)
	edges := []float64{0, math.Copysign(0, -1), inf, -inf, math.NaN(), 1e-40, -1e-40, 3e38, -3e38, 88, -88, 104, 1, 2, 0.5, 1e-6, -1e-6, 4, -4, 1 << 23, 1<<23 + 1, -8388609, 0.49999997}
	for fn := UnaryNone; fn <= UnaryAtanh; fn++ {
		op, _, _ := unaryCase(fn)
		for _, n := range []int{1, len(edges), 255, 257, 600} {
			x := normalTensor(3, n)
			for i := range min(n, len(edges)) {
				if fn != UnaryGelu || !math.IsInf(edges[i], 0) { // whose limit at -Inf is 0: 0*Inf is no number
					x.F32()[(i*37)%n] = float32(edges[i])
				}
			}
			t.Run(fmt.Sprint(fn, " of ", n), func(t *testing.T) { checkFast(t, op, []tensor.Tensor{x}, nil, 3e-6) })
		}
	}
}

func TestUnaryIntegers(t *testing.T) {
	in := []tensor.Tensor{tensor.FromI32([]int32{-5, 0, 7, math.MinInt32}, 4)}
	out, err := Run(&Unary{Fn: UnaryAbs}, in, nil)
	require.NoError(t, err)
	require.Equal(t, []int32{5, 0, 7, math.MinInt32}, out.I32())
	out, err = Run(&Unary{Fn: UnaryClip, A: -1.5, B: 1e20}, in, nil)
	require.NoError(t, err)
	require.Equal(t, []int32{-1, 0, 7, -1}, out.I32())
	_, err = (&Unary{Fn: UnaryExp}).Infer(Specs(in), nil)
	require.ErrorContains(t, err, "no meaning")
	half := tensor.Spec{DType: tensor.F16, Shape: tensor.Of(3)}
	_, err = (&Unary{Fn: UnaryExp}).Infer([]tensor.Spec{half}, nil)
	require.ErrorContains(t, err, "Cast")
}
