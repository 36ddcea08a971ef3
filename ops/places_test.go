package ops

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// numbered is a tensor of shape whose elements, of any size, differ from their neighbours.
func numbered(t tensor.DType, shape tensor.Shape) tensor.Tensor {
	x := tensor.New(tensor.Spec{DType: t, Shape: shape})
	for i := range x.Data {
		x.Data[i] = byte(i*7 + i>>8)
	}
	return x
}

// someIndices are in and a little out of a dimension of n, counted from either end.
func someIndices(t tensor.DType, n int, dims ...int) tensor.Tensor {
	x, rng := tensor.New(tensor.Spec{DType: t, Shape: tensor.Of(dims...)}), rand.New(rand.NewPCG(1, uint64(n)))
	for i := range x.Shape.Elems() {
		setInt(&x, i, int64(rng.IntN(2*n+2)-n-1))
	}
	return x
}

// TestPlaces is more indices than are looked at at once, of every type, for elements of every size, each place found by
// division.
func TestPlaces(t *testing.T) {
	shape := tensor.Of(3, 7, 65)
	for _, d := range []tensor.DType{tensor.I8, tensor.F16, tensor.F32, tensor.I64} {
		for _, it := range []tensor.DType{tensor.I32, tensor.I64} {
			for axis := range 3 {
				x, n, size := numbered(d, shape), shape.Dim(axis), d.Size()
				idx := someIndices(it, n, 3, 5, 63)
				got, err := Run(&GatherElements{Axis: axis}, []tensor.Tensor{x, idx}, nil)
				require.NoError(t, err)
				up, want := numbered(d, idx.Shape), slices.Clone(x.Data)
				for i := range idx.Shape.Elems() {
					at := elementAt(shape, &idx, i, axis)
					require.Equal(t, x.Data[at*size:][:size], got.Data[i*size:][:size], "%v axis %d element %d", d, axis, i)
					copy(want[at*size:][:size], up.Data[i*size:])
				}
				got, err = Run(&Scatter{Axis: axis}, []tensor.Tensor{x, idx, up}, nil)
				require.NoError(t, err)
				require.Equal(t, want, got.Data, "%v axis %d", d, axis)

				idx = someIndices(it, n, 2, 300)
				got, err = Run(&Gather{Axis: axis}, []tensor.Tensor{x, idx}, nil)
				require.NoError(t, err)
				run := shape.Strides()[axis] * size
				for i := range got.Shape.Elems() * size / run {
					from := (i/600*n + indexAt(&idx, i%600, n)) * run
					require.Equal(t, x.Data[from:][:run], got.Data[i*run:][:run], "%v axis %d run %d", d, axis, i)
				}
			}
			testSlices(t, d, it, shape)
		}
	}
}

// testSlices is ScatterND with indices of one to three dimensions.
func testSlices(t *testing.T, d, it tensor.DType, shape tensor.Shape) {
	for depth := range 4 {
		x, idx, n := numbered(d, shape), someIndices(it, 7, 2, 150, depth), 1
		want, st := slices.Clone(x.Data), shape.Strides()
		for i := depth; i < 3; i++ {
			n *= shape.Dim(i)
		}
		up := numbered(d, tensor.Of(append([]int{2, 150}, shape.Dims()[depth:]...)...))
		for i := range 300 {
			at := 0
			for k := range depth {
				at += indexAt(&idx, i*depth+k, shape.Dim(k)) * st[k]
			}
			copy(want[at*d.Size():][:n*d.Size()], up.Data[i*n*d.Size():])
		}
		got, err := Run(&Scatter{ND: true}, []tensor.Tensor{x, idx, up}, nil)
		require.NoError(t, err)
		require.Equal(t, want, got.Data, "%v depth %d", d, depth)
	}
}
