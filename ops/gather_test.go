package ops

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestGather(t *testing.T) {
	x := normalTensor(1, 3, 4, 2)
	idx := tensor.FromI64([]int64{2, 0, -1, 2, -4, 1}, 2, 3)
	for axis, n := range []int{3, 4, 2} {
		op := &Gather{Axis: axis}
		small := idx.Clone()
		for i, v := range small.I64() {
			small.I64()[i] = max(min(v, int64(n-1)), int64(-n))
		}
		out, err := Run(op, []tensor.Tensor{x, small}, nil)
		require.NoError(t, err)
		dims := x.Shape.Dims()
		require.Equal(t, slices.Concat(dims[:axis], []int{2, 3}, dims[axis+1:]), out.Shape.Dims())
		for i := range 6 { // each index is a slice
			v := int(small.I64()[i])
			if v < 0 {
				v += n
			}
			want, err := Run(&Slice{Starts: []int{v}, Ends: []int{v + 1}, Axes: []int{axis}}, []tensor.Tensor{x}, nil)
			require.NoError(t, err)
			got, err := Run(&Slice{Starts: []int{i / 3, i % 3}, Ends: []int{i/3 + 1, i%3 + 1}, Axes: []int{axis, axis + 1}}, []tensor.Tensor{out}, nil)
			require.NoError(t, err)
			require.Equal(t, want.Data, got.Data)
		}
		checkFast(t, op, []tensor.Tensor{x, small}, nil, 0)
		checkGrad(t, op, []tensor.Tensor{x, small}, nil)
		checkGrad(t, op, []tensor.Tensor{x}, []tensor.Tensor{small})
	}
	// A run cannot fail: indices outside are clamped.
	out, err := Run(&Gather{}, []tensor.Tensor{tensor.FromF32([]float32{1, 2, 3}, 3), tensor.FromI32([]int32{9, -9}, 2)}, nil)
	require.NoError(t, err)
	require.Equal(t, []float32{3, 1}, out.F32())
	_, err = (&Gather{}).Infer([]tensor.Spec{tensor.F32Spec(0, 2), idx.Spec}, nil)
	require.Error(t, err)
}

func TestGatherElements(t *testing.T) {
	x := normalTensor(1, 3, 4)
	idx := tensor.FromI32([]int32{0, -1, 2, 2, 0, 1}, 2, 3)
	for axis := range 2 {
		op := &GatherElements{Axis: axis}
		out, err := Run(op, []tensor.Tensor{x, idx}, nil)
		require.NoError(t, err)
		for i := range 2 {
			for j := range 3 {
				at, v := []int{i, j}, int(idx.I32()[i*3+j])
				if v < 0 {
					v += x.Shape.Dim(axis)
				}
				at[axis] = v
				require.Equal(t, x.F32()[at[0]*4+at[1]], out.F32()[i*3+j])
			}
		}
		checkFast(t, op, []tensor.Tensor{x, idx}, nil, 0)
		checkGrad(t, op, []tensor.Tensor{x, idx}, nil)
	}
	_, err := (&GatherElements{}).Infer([]tensor.Spec{tensor.F32Spec(3, 2), idx.Spec}, nil)
	require.Error(t, err)
}

func TestScatter(t *testing.T) {
	x := normalTensor(1, 3, 4)
	idx, up := tensor.FromI64([]int64{1, 0, -1, 1, 2, 0}, 2, 3), normalTensor(2, 2, 3)
	combine := map[ScatterFn]func(a, b float32) float32{
		ScatterSet: func(_, b float32) float32 { return b },
		ScatterAdd: func(a, b float32) float32 { return a + b },
		ScatterMul: func(a, b float32) float32 { return a * b },
		ScatterMax: func(a, b float32) float32 { return max(a, b) },
		ScatterMin: func(a, b float32) float32 { return min(a, b) },
	}
	for fn, f := range combine {
		for axis := range 2 {
			want := slices.Clone(x.F32())
			for i := range 6 {
				at, v := []int{i / 3, i % 3}, int(idx.I64()[i])
				if v < 0 {
					v += x.Shape.Dim(axis)
				}
				at[axis] = v
				p := &want[at[0]*4+at[1]]
				*p = f(*p, up.F32()[i])
			}
			op := &Scatter{Axis: axis, Fn: fn}
			out, err := Run(op, []tensor.Tensor{x, idx, up}, nil)
			require.NoError(t, err)
			require.Equal(t, want, out.F32())
			checkFast(t, op, []tensor.Tensor{x, idx, up}, nil, 0)
			if fn <= ScatterAdd {
				checkGrad(t, op, []tensor.Tensor{x, idx, up}, nil)
				checkGrad(t, op, []tensor.Tensor{x, idx}, []tensor.Tensor{up})
				continue
			}
			_, err = op.Backward(&GradPrep{In: Specs([]tensor.Tensor{x, idx, up}), Out: out.Spec})
			require.Error(t, err)
		}
		// Slices of x[i], one place written twice.
		nd := tensor.FromI64([]int64{2, 0, 2}, 3, 1)
		rows := normalTensor(3, 3, 4)
		want := slices.Clone(x.F32())
		for i, r := range []int{2, 0, 2} {
			for j := range 4 {
				want[r*4+j] = f(want[r*4+j], rows.F32()[i*4+j])
			}
		}
		op := &Scatter{ND: true, Fn: fn}
		out, err := Run(op, []tensor.Tensor{x, nd, rows}, nil)
		require.NoError(t, err)
		require.Equal(t, want, out.F32())
		if fn <= ScatterAdd {
			checkGrad(t, op, []tensor.Tensor{x, nd, rows}, nil)
		}
	}
	_, err := (&Scatter{}).Infer([]tensor.Spec{x.Spec, idx.Spec, x.Spec}, nil)
	require.Error(t, err)
}

func TestOneHot(t *testing.T) {
	values := tensor.FromF32([]float32{-1, 5}, 2)
	idx := tensor.FromI64([]int64{0, -1, 7, 1}, 2, 2)
	out, err := Run(&OneHot{Depth: 3, Axis: -1}, []tensor.Tensor{idx, values}, nil)
	require.NoError(t, err)
	require.Equal(t, []float32{5, -1, -1, -1, -1, 5, -1, -1, -1, -1, 5, -1}, out.F32())
	out, err = Run(&OneHot{Depth: 3, Axis: 0}, []tensor.Tensor{idx, values}, nil)
	require.NoError(t, err)
	require.Equal(t, tensor.Of(3, 2, 2), out.Shape)
	require.Equal(t, []float32{5, -1, -1, -1, -1, -1, -1, 5, -1, 5, -1, -1}, out.F32())
	checkFast(t, &OneHot{Depth: 4, Axis: 1}, []tensor.Tensor{idx, values}, nil, 0)
	_, err = (&OneHot{Axis: 1}).Infer([]tensor.Spec{idx.Spec, values.Spec}, nil)
	require.Error(t, err)
}

// TestCol2Im adds patches of ones: each place counts the windows that see it.
func TestCol2Im(t *testing.T) {
	op := &Col2Im{Window: Window{Kernel: []int{2, 2}}, Image: []int{3, 3}}
	x := tensor.New(tensor.F32Spec(1, 4, 8))
	for i := range x.F32() {
		x.F32()[i] = float32(1 + i%8/4*9) // channel 1 has tens
	}
	out, err := Run(op, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	for i, n := range []float32{1, 2, 1, 2, 4, 2, 1, 2, 1} {
		require.Equal(t, []float32{n, 10 * n}, out.F32()[i*2:i*2+2])
	}
	for _, w := range []Window{
		{Kernel: []int{2, 3}, Stride: []int{2, 1}, PadLo: []int{1, 0}, PadHi: []int{0, 1}},
		{Kernel: []int{2, 2}, Dilation: []int{2, 1}},
	} {
		op := &Col2Im{Window: w, Image: []int{5, 4}}
		g, err := op.Resolve(KindCol2Im, tensor.Of(1, 5, 4, 1), nil)
		require.NoError(t, err)
		x := normalTensor(4, 2, g.OutSize(), 3*g.Taps())
		checkGrad(t, op, []tensor.Tensor{x}, nil)
		checkFast(t, op, []tensor.Tensor{x}, nil, 0)
	}
	_, err = op.Infer([]tensor.Spec{tensor.F32Spec(1, 5, 8)}, nil)
	require.Error(t, err)
}
