package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func scalar(t *testing.T, op Op, in ...tensor.Tensor) float64 {
	t.Helper()
	out, err := Run(op, in, nil)
	require.NoError(t, err)
	require.Equal(t, 1, len(out.F32()))
	return float64(out.F32()[0])
}

// TestSoftmaxCrossEntropyValues has numbers worked out by hand.
func TestSoftmaxCrossEntropyValues(t *testing.T) {
	l2, l3 := float32(math.Log(2)), float32(math.Log(3))
	x := tensor.FromF32([]float32{0, l3, l2, 0}, 2, 2) // probabilities 1/4 3/4, 2/3 1/3
	y := tensor.FromI64([]int64{0, 1}, 2)
	a, b := math.Log(4), math.Log(3)
	require.InDelta(t, (a+b)/2, scalar(t, &SoftmaxCrossEntropy{}, x, y), 1e-6)
	require.InDelta(t, a+b, scalar(t, &SoftmaxCrossEntropy{Reduction: LossSum}, x, y), 1e-6)
	require.InDelta(t, b, scalar(t, &SoftmaxCrossEntropy{HasIgnore: true, IgnoreIndex: 0}, x, y), 1e-6)
	w := tensor.FromF32([]float32{3, 1}, 2)
	require.InDelta(t, (3*a+b)/4, scalar(t, &SoftmaxCrossEntropy{}, x, y, w), 1e-6)
	// Smoothing: half of the label, half of the mean over classes.
	sa, sb := (math.Log(4)+math.Log(4./3))/2, (math.Log(3)+math.Log(1.5))/2
	require.InDelta(t, (a+b+sa+sb)/4, scalar(t, &SoftmaxCrossEntropy{Smoothing: 0.5}, x, y), 1e-6)
	soft := tensor.FromF32([]float32{0.5, 0.5, 0.5, 0.5}, 2, 2)
	require.InDelta(t, (sa+sb)/2, scalar(t, &SoftmaxCrossEntropy{}, x, soft), 1e-6)
	require.True(t, math.IsNaN(scalar(t, &SoftmaxCrossEntropy{}, x, tensor.FromI64([]int64{0, 2}, 2))))

	each, err := Run(&SoftmaxCrossEntropy{Reduction: LossNone}, []tensor.Tensor{x, tensor.FromI32([]int32{0, 1}, 2)}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{float32(a), float32(b)}, each.F32(), 1e-6)
	logp, err := Run(&SoftmaxCrossEntropy{Output: 1}, []tensor.Tensor{x, y}, nil)
	require.NoError(t, err)
	require.InDelta(t, -a, logp.F32()[0], 1e-6)
	require.InDelta(t, (a+b)/2, scalar(t, &NLLLoss{}, logp, y), 1e-6)
	require.InDelta(t, (3*a+b)/4, scalar(t, &NLLLoss{}, logp, y, w), 1e-6)

	_, err = (&SoftmaxCrossEntropy{}).Infer(Specs([]tensor.Tensor{x, tensor.FromI64([]int64{0}, 1)}), nil)
	require.ErrorContains(t, err, "labels")
	_, err = (&SoftmaxCrossEntropy{}).Infer(Specs([]tensor.Tensor{x, y, tensor.FromF32([]float32{1, 2, 3}, 3)}), nil)
	require.ErrorContains(t, err, "class weights")
}

func TestClassLossGrad(t *testing.T) {
	x := normalTensor(1, 3, 4, 2)
	labels := map[int]tensor.Tensor{
		1:  tensor.FromI64([]int64{0, 3, 2, 1, 1, 0}, 3, 2),
		-1: tensor.FromI32([]int32{0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1}, 3, 4),
	}
	weights := map[int]tensor.Tensor{1: tensor.FromF32([]float32{1, 2, 0.5, 3}, 4), -1: tensor.FromF32([]float32{1, 2}, 2)}
	soft := normalTensor(2, 3, 4, 2)
	for axis, y := range labels {
		for r := LossMean; r < numReduction; r++ {
			for _, smoothing := range []float32{0, 0.2} {
				t.Run(fmt.Sprint(axis, r, smoothing), func(t *testing.T) {
					op := &SoftmaxCrossEntropy{Axis: axis, Reduction: r, Smoothing: smoothing, HasIgnore: true, IgnoreIndex: 1}
					checkGrad(t, op, []tensor.Tensor{x, y}, nil)
					checkGradWith(t, op, []tensor.Tensor{x, y}, []tensor.Tensor{weights[axis]}, gradOptions{NoParam: []int{0}})
					checkGradWith(t, op, []tensor.Tensor{x, soft, weights[axis]}, nil, gradOptions{NoIn: []int{2}})
					checkFast(t, op, []tensor.Tensor{x, y}, nil, 0)
					nll := &NLLLoss{Axis: axis, Reduction: r}
					checkGrad(t, nll, []tensor.Tensor{x, y}, nil)
					checkGradWith(t, nll, []tensor.Tensor{x, soft, weights[axis]}, nil, gradOptions{NoIn: []int{2}})
				})
			}
		}
	}
	big, y := normalTensor(3, 500, 100), tensor.New(tensor.Spec{DType: tensor.I32, Shape: tensor.Of(500)})
	checkFast(t, &SoftmaxCrossEntropy{}, []tensor.Tensor{big, y}, nil, 0)
}

func TestPairLosses(t *testing.T) {
	x, y := tensor.FromF32([]float32{0.25, 0, 1}, 3), tensor.FromF32([]float32{1, 1, 0.5}, 3)
	require.InDelta(t, (0.5625+1+0.25)/3, scalar(t, &MSELoss{}, x, y), 1e-6)
	require.InDelta(t, 0.5625+1+0.25, scalar(t, &MSELoss{Reduction: LossSum}, x, y), 1e-6)
	require.InDelta(t, math.Log(4)+100+50, scalar(t, &BCELoss{Reduction: LossSum}, x, y), 2e-5)
	require.InDelta(t, math.Log(1+math.Exp(-0.25))+math.Log(2)+(math.Log(1+math.E)-0.5), scalar(t, &BCELoss{FromLogits: true, Reduction: LossSum}, x, y), 1e-6)

	p, q := normalTensor(1, 4, 5), normalTensor(2, 4, 5)
	for i := range p.F32() {
		p.F32()[i] = float32(0.5 + 0.3*math.Tanh(float64(p.F32()[i])))
		q.F32()[i] = float32(0.5 + 0.3*math.Tanh(float64(q.F32()[i])))
	}
	for r := LossMean; r < numReduction; r++ {
		for _, op := range []Op{&MSELoss{Reduction: r}, &BCELoss{Reduction: r}, &BCELoss{Reduction: r, FromLogits: true}} {
			o := gradOptions{Step: 0.05}
			if b, ok := op.(*BCELoss); ok && !b.FromLogits {
				o.Step = 0.01 // logarithms bend
			}
			checkGradWith(t, op, []tensor.Tensor{p, q}, nil, o)
			checkFast(t, op, []tensor.Tensor{p, q}, nil, 0)
		}
	}
	checkFast(t, &MSELoss{}, []tensor.Tensor{normalTensor(1, 50000), normalTensor(2, 50000)}, nil, 0)
	_, err := (&MSELoss{}).Infer([]tensor.Spec{tensor.F32Spec(2), tensor.F32Spec(3)}, nil)
	require.EqualError(t, err, "ops: MSELoss: target: want 2, got 3")
}
