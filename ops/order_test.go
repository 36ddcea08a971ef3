package ops

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestArgMaxRows: rows on vector units give the reference's places, of equals the first,
// also with NaNs and infinities.
func TestArgMaxRows(t *testing.T) {
	nan := float32(math.NaN())
	for _, n := range []int{8, 21, 1000} {
		for _, odd := range [][]float32{nil, {nan}, {nan, nan}, {posInf, negInf}, {posInf, negInf, nan}, {9, 9}} {
			x := normalTensor(1, 40, n)
			for i, v := range odd {
				x.F32()[7*n+(5*i+3)%n] = v
			}
			clear(x.F32()[:n])
			checkFast(t, &ArgMax{Axis: -1}, []tensor.Tensor{x}, nil, 0)
		}
	}
}

func TestArgMax(t *testing.T) {
	nan := float32(math.NaN())
	x := tensor.FromF32([]float32{1, 3, 3, 2, 0, 0, nan, 5, nan}, 3, 3)
	for _, c := range []struct {
		op   ArgMax
		want []int64
	}{
		{ArgMax{Axis: 1}, []int64{1, 0, 0}},
		{ArgMax{Axis: 1, Last: true}, []int64{2, 0, 2}},
		{ArgMax{Axis: -1, Min: true}, []int64{0, 1, 0}},
		{ArgMax{Axis: 1, Min: true, Last: true, KeepDims: true}, []int64{0, 2, 2}},
		{ArgMax{Axis: 0}, []int64{2, 2, 2}},
	} {
		out, err := Run(&c.op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, out.I64(), "%+v", c.op)
		checkFast(t, &c.op, []tensor.Tensor{x}, nil, 0)
	}
	out, err := Run(&ArgMax{To: tensor.I32}, []tensor.Tensor{tensor.FromI8([]int8{-3, 100, 7}, 3)}, nil)
	require.NoError(t, err)
	require.Equal(t, []int32{1}, out.I32())
	_, err = (&ArgMax{Axis: 1}).Infer([]tensor.Spec{tensor.F32Spec(2, 0)}, nil)
	require.ErrorContains(t, err, "nothing")
}

func TestTopK(t *testing.T) {
	x := normalTensor(1, 4, 50, 3)
	for i := range x.F32() {
		x.F32()[i] = float32(math.Round(float64(x.F32()[i] * 4))) // ties
	}
	for _, smallest := range []bool{false, true} {
		for _, k := range []int{0, 1, 5, 50} {
			values, err := Run(&TopK{K: k, Axis: 1, Smallest: smallest}, []tensor.Tensor{x}, nil)
			require.NoError(t, err)
			places, err := Run(&TopK{K: k, Axis: 1, Smallest: smallest, Output: 1}, []tensor.Tensor{x}, nil)
			require.NoError(t, err)
			checkFast(t, &TopK{K: k, Axis: 1, Smallest: smallest}, []tensor.Tensor{x}, nil, 0)
			for o := range 4 {
				for in := range 3 {
					order := make([]int, 50)
					for i := range order {
						order[i] = i
					}
					at := func(i int) float32 { return x.F32()[(o*50+i)*3+in] }
					slices.SortStableFunc(order, func(a, b int) int {
						d := at(b) - at(a)
						if smallest {
							d = -d
						}
						return int(d * 100)
					})
					for j := range k {
						require.EqualValues(t, order[j], places.I64()[(o*k+j)*3+in])
						require.Equal(t, at(order[j]), values.F32()[(o*k+j)*3+in])
					}
				}
			}
		}
	}
	nan := float32(math.NaN())
	out, err := Run(&TopK{K: 3, Output: 1}, []tensor.Tensor{tensor.FromF32([]float32{1, nan, 3}, 3)}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 0}, out.I64())
	_, err = (&TopK{K: 4}).Infer([]tensor.Spec{tensor.F32Spec(3)}, nil)
	require.Error(t, err)

	distinct := tensor.New(tensor.F32Spec(2, 9, 2))
	for i := range distinct.F32() {
		distinct.F32()[i] = float32((i*11)%36) * 0.1
	}
	checkGrad(t, &TopK{K: 4, Axis: 1}, []tensor.Tensor{distinct}, nil)
}

func TestCumSum(t *testing.T) {
	x := tensor.FromI32([]int32{1, 2, 3, 4, 5, 6}, 2, 3)
	for _, c := range []struct {
		op   CumSum
		want []int32
	}{
		{CumSum{Axis: 1}, []int32{1, 3, 6, 4, 9, 15}},
		{CumSum{Axis: 0}, []int32{1, 2, 3, 5, 7, 9}},
		{CumSum{Axis: 1, Exclusive: true}, []int32{0, 1, 3, 0, 4, 9}},
		{CumSum{Axis: 1, Reverse: true}, []int32{6, 5, 3, 15, 11, 6}},
		{CumSum{Axis: -1, Reverse: true, Exclusive: true}, []int32{5, 3, 0, 11, 6, 0}},
	} {
		out, err := Run(&c.op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, out.I32(), "%+v", c.op)
		checkGrad(t, &c.op, []tensor.Tensor{normalTensor(1, 3, 4)}, nil)
		checkFast(t, &c.op, []tensor.Tensor{normalTensor(1, 300, 40)}, nil, 0)
	}
}
