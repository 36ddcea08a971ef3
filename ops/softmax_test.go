package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestSoftmax(t *testing.T) {
	x := tensor.FromF32([]float32{0, float32(math.Log(3)), 1000, 1000}, 2, 2)
	out, err := Run(&Softmax{Axis: -1}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0.25, 0.75, 0.5, 0.5}, out.F32(), 1e-6)
	out, err = Run(&Softmax{Axis: -1, Log: true}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{-1.3862944, -0.28768207, -0.6931472, -0.6931472}, out.F32(), 1e-6)
	out, err = Run(&Softmax{Axis: 0, Beta: 0.001}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDelta(t, 1/(1+math.E), out.F32()[0], 1e-6)
	out, err = Run(&Softmax{Axis: 1, Flatten: true}, []tensor.Tensor{normalTensor(1, 2, 3, 4)}, nil)
	require.NoError(t, err)
	sum := float32(0)
	for _, v := range out.F32()[:12] {
		sum += v
	}
	require.InDelta(t, 1, sum, 1e-6)
	_, err = (&Softmax{Axis: 2}).Infer([]tensor.Spec{x.Spec}, nil)
	require.ErrorContains(t, err, "axis")
}

func TestSoftmaxFast(t *testing.T) {
	for _, n := range []int{1, 2, 10, 100, 1001} {
		x := normalTensor(1, 9, n, 3)
		for axis := range 3 {
			for _, log := range []bool{false, true} {
				checkFast(t, &Softmax{Axis: axis, Log: log}, []tensor.Tensor{x}, nil, 2e-6)
				checkFast(t, &Softmax{Axis: axis, Log: log, Flatten: true, Beta: 2}, []tensor.Tensor{x}, nil, 2e-6)
			}
		}
		checkFast(t, &Softmax{Axis: -1}, []tensor.Tensor{normalTensor(1, 30, n)}, nil, 2e-6)
	}
}

// TestSoftmaxColumns is lines side by side: columns, and short lines in one piece.
func TestSoftmaxColumns(t *testing.T) {
	for _, dims := range [][]int{{3, 5, 8}, {2, 21, 300}, {1, 4, 600}, {700, 2}, {16, 12}, {257, 3}, {3, 1, 9}} {
		for _, log := range []bool{false, true} {
			for _, beta := range []float32{0, 0.5, -2} {
				for axis := range dims {
					x := normalTensor(1, dims...)
					x.F32()[1] = negInf
					checkFast(t, &Softmax{Axis: axis, Log: log, Beta: beta}, []tensor.Tensor{x}, nil, 2e-6)
				}
			}
		}
	}
}

func TestSoftmaxGrad(t *testing.T) {
	x := normalTensor(1, 2, 5, 3)
	for axis := range 3 {
		for _, log := range []bool{false, true} {
			checkGrad(t, &Softmax{Axis: axis, Log: log}, []tensor.Tensor{x}, nil)
			checkGrad(t, &Softmax{Axis: axis, Log: log, Flatten: true, Beta: 0.5}, []tensor.Tensor{x}, nil)
		}
	}
}
