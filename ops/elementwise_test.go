package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func boolTensor(v []uint8, dims ...int) tensor.Tensor {
	return tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(dims...)}, Data: v}
}

func TestCompare(t *testing.T) {
	nan := float32(math.NaN())
	a := tensor.FromF32([]float32{1, 2, 3, nan}, 4)
	b := tensor.FromF32([]float32{2}, 1)
	for fn, want := range [][]uint8{
		CompareEqual:        {0, 1, 0, 0},
		CompareLess:         {1, 0, 0, 0},
		CompareLessEqual:    {1, 1, 0, 0},
		CompareGreater:      {0, 0, 1, 0},
		CompareGreaterEqual: {0, 1, 1, 0},
		CompareNotEqual:     {1, 0, 1, 1},
	} {
		in := []tensor.Tensor{a, b}
		out, err := Run(&Compare{Fn: CompareFn(fn)}, in, nil)
		require.NoError(t, err)
		require.Equal(t, want, out.Bools(), "fn %d", fn)
		checkFast(t, &Compare{Fn: CompareFn(fn)}, in, nil, 0)
	}
	out, err := Run(&Compare{Fn: CompareLess}, []tensor.Tensor{tensor.FromI64([]int64{1, 1 << 40}, 2, 1), tensor.FromI64([]int64{1, 2, 1 << 41}, 3)}, nil)
	require.NoError(t, err)
	require.Equal(t, []uint8{0, 1, 1, 0, 0, 1}, out.Bools())
	require.Equal(t, tensor.Of(2, 3), out.Shape)
	_, err = (&Compare{}).Infer(Specs([]tensor.Tensor{a, tensor.FromI32([]int32{1}, 1)}), nil)
	require.Error(t, err)
}

func TestLogic(t *testing.T) {
	a, b := boolTensor([]uint8{0, 0, 1, 1}, 4), boolTensor([]uint8{0, 1, 0, 1}, 4)
	for fn, want := range [][]uint8{LogicAnd: {0, 0, 0, 1}, LogicOr: {0, 1, 1, 1}, LogicXor: {0, 1, 1, 0}} {
		out, err := Run(&Logic{Fn: LogicFn(fn)}, []tensor.Tensor{a, b}, nil)
		require.NoError(t, err)
		require.Equal(t, want, out.Bools())
	}
	checkFast(t, &Logic{Fn: LogicNot}, []tensor.Tensor{a}, nil, 0)
	out, err := Run(&Logic{Fn: LogicNot}, []tensor.Tensor{a}, nil)
	require.NoError(t, err)
	require.Equal(t, []uint8{1, 1, 0, 0}, out.Bools())
	_, err = (&Logic{Fn: LogicNot}).Infer(Specs([]tensor.Tensor{a, b}), nil)
	require.Error(t, err)
}

func TestWhere(t *testing.T) {
	cond := boolTensor([]uint8{1, 0, 1}, 3, 1)
	a, b := normalTensor(1, 2, 3, 4), normalTensor(2, 1)
	in := []tensor.Tensor{cond, a, b}
	out, err := Run(&Where{}, in, nil)
	require.NoError(t, err)
	for i, v := range out.F32() {
		want := b.F32()[0]
		if i/4%3 != 1 {
			want = a.F32()[i]
		}
		require.Equal(t, want, v)
	}
	checkFast(t, &Where{}, in, nil, 0)
	checkGrad(t, &Where{}, in, nil)
	checkGrad(t, &Where{}, []tensor.Tensor{cond}, []tensor.Tensor{a, b})
	checkFast(t, &Where{}, []tensor.Tensor{cond, tensor.FromI64([]int64{1, 2, 3}, 3, 1), tensor.FromI64([]int64{7, 8}, 2)}, nil, 0)
	checkFast(t, &Where{}, []tensor.Tensor{cond, tensor.FromI8([]int8{1, 2, 3}, 3, 1), tensor.FromI8([]int8{7, 8}, 2)}, nil, 0)
}

func TestCast(t *testing.T) {
	x := tensor.FromF32([]float32{0, -1.75, 2.5, 300, 1e30, float32(math.NaN()), -0.25}, 7)
	out, err := Run(&Cast{To: tensor.I32}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.Equal(t, []int32{0, -1, 2, 300, -1, 0, 0}, out.I32())
	out, err = Run(&Cast{To: tensor.I64}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{0, -1, 2, 300, math.MaxInt64, 0, 0}, out.I64())
	out, err = Run(&Cast{To: tensor.U8}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.Equal(t, []uint8{0, 255, 2, 44, 255, 0, 0}, out.U8())
	out, err = Run(&Cast{To: tensor.Bool}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.Equal(t, []uint8{0, 1, 1, 1, 1, 1, 1}, out.Bools())

	y := tensor.FromF32([]float32{1, -2.5, 65504, 0.1, 1.00390625, 3.0000002}, 6)
	for _, c := range []struct {
		to   tensor.DType
		want []float32
	}{
		{tensor.F16, []float32{1, -2.5, 65504, 0.099975586, 1.00390625, 3}},
		{tensor.BF16, []float32{1, -2.5, 65536, 0.100097656, 1, 3}},
	} {
		half, err := Run(&Cast{To: c.to}, []tensor.Tensor{y}, nil)
		require.NoError(t, err)
		back, err := Run(&Cast{To: tensor.F32}, []tensor.Tensor{half}, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, back.F32())
	}
	types := []tensor.DType{tensor.F32, tensor.F16, tensor.BF16, tensor.I8, tensor.U8, tensor.I32, tensor.I64, tensor.Bool}
	one := tensor.FromF32([]float32{1, 0, 1}, 3)
	for _, from := range types {
		mid, err := Run(&Cast{To: from}, []tensor.Tensor{one}, nil)
		require.NoError(t, err)
		for _, to := range types {
			out, err := Run(&Cast{To: to}, []tensor.Tensor{mid}, nil)
			require.NoError(t, err)
			back, err := Run(&Cast{To: tensor.F32}, []tensor.Tensor{out}, nil)
			require.NoError(t, err)
			require.Equal(t, one.F32(), back.F32(), "%v to %v", from, to)
		}
	}
	checkFast(t, &Cast{To: tensor.F16}, []tensor.Tensor{normalTensor(1, 40000)}, nil, 0)
	checkGrad(t, &Cast{To: tensor.F32}, []tensor.Tensor{normalTensor(1, 5)}, nil)
}

func TestDropout(t *testing.T) {
	x := normalTensor(1, 100, 501)
	out, err := Run(&Dropout{Rate: 0.3}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.Equal(t, x.Data, out.Data, "the identity when it infers")

	in := []tensor.Tensor{x}
	op := &Dropout{Rate: 0.3, Training: true, Seed: 5}
	checkFast(t, op, in, nil, 0)
	out, err = Run(op, in, nil)
	require.NoError(t, err)
	mask, err := Run(&Dropout{Rate: 0.3, Training: true, Seed: 5, Output: 1}, in, nil)
	require.NoError(t, err)
	kept := 0
	for i, v := range out.F32() {
		if mask.Bools()[i] != 0 {
			kept++
			require.InDelta(t, x.F32()[i]/0.7, v, 2e-6)
		} else {
			require.Zero(t, v)
		}
	}
	require.InDelta(t, 0.7, float64(kept)/float64(len(out.F32())), 0.01)
	other, err := Run(&Dropout{Rate: 0.3, Training: true, Seed: 6}, in, nil)
	require.NoError(t, err)
	require.NotEqual(t, out.Data, other.Data)

	small := normalTensor(2, 7, 9)
	for _, rate := range []float32{0, 0.5, 1} {
		checkGradWith(t, &Dropout{Rate: rate}, []tensor.Tensor{small}, nil, gradOptions{Seed: 11})
	}
}
