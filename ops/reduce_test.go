package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestReduce(t *testing.T) {
	x := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	for _, c := range []struct {
		op    Reduce
		want  []float32
		shape []int
	}{
		{Reduce{Fn: ReduceSum, Axes: []int{0}}, []float32{5, 7, 9}, []int{3}},
		{Reduce{Fn: ReduceSum, Axes: []int{-1}, KeepDims: true}, []float32{6, 15}, []int{2, 1}},
		{Reduce{Fn: ReduceMean}, []float32{3.5}, []int{}},
		{Reduce{Fn: ReduceMean, NoOp: true}, []float32{1, 2, 3, 4, 5, 6}, []int{2, 3}},
		{Reduce{Fn: ReduceMax, Axes: []int{1}}, []float32{3, 6}, []int{2}},
		{Reduce{Fn: ReduceMin, Axes: []int{0}}, []float32{1, 2, 3}, []int{3}},
		{Reduce{Fn: ReduceProd, Axes: []int{1}}, []float32{6, 120}, []int{2}},
		{Reduce{Fn: ReduceL1, Axes: []int{0, 1}, KeepDims: true}, []float32{21}, []int{1, 1}},
		{Reduce{Fn: ReduceL2, Axes: []int{0}}, []float32{4.1231055, 5.3851647, 6.708204}, []int{3}},
		{Reduce{Fn: ReduceLogSum, Axes: []int{1}}, []float32{1.7917595, 2.7080503}, []int{2}},
		{Reduce{Fn: ReduceLogSumExp, Axes: []int{1}}, []float32{3.407606, 6.407606}, []int{2}},
		{Reduce{Fn: ReduceSumSquare, Axes: []int{1}}, []float32{14, 77}, []int{2}},
	} {
		out, err := Run(&c.op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		require.Equal(t, tensor.Of(c.shape...), out.Shape)
		require.Equal(t, c.want, out.F32(), "%+v", c.op)
	}
	inf := float32(math.Inf(-1))
	out, err := Run(&Reduce{Fn: ReduceLogSumExp}, []tensor.Tensor{tensor.FromF32([]float32{inf, inf}, 2)}, nil)
	require.NoError(t, err)
	require.Equal(t, inf, out.F32()[0])
	for _, bad := range [][]int{{2}, {-3}, {0, -2}} {
		_, err := (&Reduce{Axes: bad}).Infer([]tensor.Spec{x.Spec}, nil)
		require.Error(t, err)
	}
}

func TestReduceIntegers(t *testing.T) {
	x := tensor.FromI64([]int64{1, -2, 3, 4, 5, -6}, 2, 3)
	for fn, want := range map[ReduceFn][]int64{ReduceSum: {2, 3}, ReduceMax: {3, 5}, ReduceMin: {-2, -6}, ReduceProd: {-6, -120}, ReduceMean: {0, 1}} {
		out, err := Run(&Reduce{Fn: fn, Axes: []int{1}}, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		require.Equal(t, want, out.I64(), "fn %d", fn)
	}
}

var reduceAxes = [][]int{nil, {0}, {1}, {2}, {1, 2}, {0, 2}, {0, 1, 2, 3}, {3}, {2, 3}}

func TestReduceFast(t *testing.T) {
	x := normalTensor(1, 2, 7, 5, 19)
	for i, v := range x.F32() {
		x.F32()[i] = 1 + v/8
	}
	for fn := ReduceMean; fn < numReduce; fn++ {
		for _, axes := range reduceAxes {
			checkFast(t, &Reduce{Fn: fn, Axes: axes}, []tensor.Tensor{x}, nil, 2e-6)
		}
	}
	checkFast(t, &Reduce{Axes: []int{1, 2}}, []tensor.Tensor{normalTensor(1, 2, 30, 30, 1100)}, nil, 1e-6)
	checkFast(t, &Reduce{Axes: []int{1}}, []tensor.Tensor{tensor.New(tensor.F32Spec(2, 0, 10))}, nil, 1e-6)
	for _, fn := range []ReduceFn{ReduceMean, ReduceMax, ReduceMin, ReduceL2, ReduceSumSquare, ReduceLogSumExp} {
		for _, dims := range [][]int{{40, 16}, {3, 9000}, {1, 17, 1, 1}, {4, 33, 600}} {
			for _, odd := range []float32{0, float32(math.NaN()), posInf, negInf, 1e25} {
				x := normalTensor(1, dims...)
				x.F32()[x.Shape.Elems()/2] += odd
				for axis := range dims {
					checkFast(t, &Reduce{Fn: fn, Axes: []int{axis}}, []tensor.Tensor{x}, nil, 2e-6)
				}
			}
		}
	}
}

func TestReduceGrad(t *testing.T) {
	for fn := ReduceMean; fn < numReduce; fn++ {
		for _, axes := range reduceAxes {
			t.Run(fmt.Sprint(fn, axes), func(t *testing.T) {
				x := awayFrom(1, 0.06, []float64{0}, 2, 3, 2, 4)
				switch fn {
				case ReduceMax, ReduceMin: // no two neighbours closer than the steps
					for i := range x.F32() {
						x.F32()[i] = float32((i*19)%48) * 0.1
					}
				case ReduceLogSum, ReduceProd:
					for i, v := range x.F32() {
						x.F32()[i] = 1 + float32(math.Tanh(float64(v)))/3
					}
				}
				o := gradOptions{}
				if fn == ReduceLogSum || fn == ReduceLogSumExp { // slopes are small beside the value's rounding
					o.Step = 0.1
				}
				checkGradWith(t, &Reduce{Fn: fn, Axes: axes}, []tensor.Tensor{x}, nil, o)
			})
		}
	}
	zero := tensor.FromF32([]float32{2, 0, 3}, 3)
	checkGrad(t, &Reduce{Fn: ReduceProd}, []tensor.Tensor{zero}, nil)
}
