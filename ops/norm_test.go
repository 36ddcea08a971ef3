package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// normal returns (v-mean)/sqrt(var+eps) of the elements that in picks.
func normal(x []float32, in func(i int) bool, eps float64) (y map[int]float64) {
	n, mean, variance := 0.0, 0.0, 0.0
	for i, v := range x {
		if in(i) {
			n++
			mean += float64(v)
		}
	}
	mean /= n
	for i, v := range x {
		if in(i) {
			variance += (float64(v) - mean) * (float64(v) - mean) / n
		}
	}
	y = map[int]float64{}
	for i, v := range x {
		if in(i) {
			y[i] = (float64(v) - mean) / math.Sqrt(variance+eps)
		}
	}
	return y
}

func TestGroupNorm(t *testing.T) {
	x := normalTensor(1, 2, 3, 2, 6)
	scale, bias := normalTensor(2, 6), normalTensor(3, 6)
	for _, groups := range []int{0, 1, 2, 3, 6} {
		op := &GroupNorm{Groups: groups, Eps: 1e-3}
		out, err := Run(op, []tensor.Tensor{x}, []tensor.Tensor{scale, bias})
		require.NoError(t, err)
		g := groups
		if g == 0 {
			g = 6
		}
		for n := range 2 {
			for group := range g {
				want := normal(x.F32(), func(i int) bool { return i/36 == n && i%6/(6/g) == group }, 1e-3)
				require.Len(t, want, 36/g)
				for i, v := range want {
					require.InDelta(t, v*float64(scale.F32()[i%6])+float64(bias.F32()[i%6]), out.F32()[i], 1e-6)
				}
			}
		}
		checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
		checkGrad(t, op, []tensor.Tensor{x}, []tensor.Tensor{scale, bias})
		checkGrad(t, op, []tensor.Tensor{x, normalTensor(4, g)}, []tensor.Tensor{normalTensor(5, g)})
		checkGrad(t, op, []tensor.Tensor{x}, nil)
	}
	_, err := (&GroupNorm{Groups: 4}).Infer([]tensor.Spec{x.Spec}, nil)
	require.ErrorContains(t, err, "4 groups of 6")
}

// Norms over positions, few and many channels, also with a mean far from 0 or numbers
// whose squares are beyond float32, are the reference's.
func TestGroupNormRows(t *testing.T) {
	for _, c := range []int{4, 12, 64, 1300} {
		for _, pos := range []int{2, 9, 700} {
			for _, mean := range []float32{0, -3, 1000} {
				x := normalTensor(1, 2, pos, c)
				for i := range x.F32() {
					x.F32()[i] += mean
				}
				for _, params := range [][]tensor.Tensor{nil, {normalTensor(2, c)}, {normalTensor(2, 2), normalTensor(3, 2)}, {normalTensor(2, c), normalTensor(3, c)}} {
					checkFast(t, &GroupNorm{Groups: 2, Eps: 1e-5}, []tensor.Tensor{x}, params, 3e-6)
				}
				checkFast(t, &GroupNorm{Eps: 1e-5}, []tensor.Tensor{x}, []tensor.Tensor{normalTensor(2, c), normalTensor(3, c)}, 4e-6)
			}
		}
	}
	x := normalTensor(1, 1, 50, 16)
	for i := range x.F32() {
		x.F32()[i] *= 1e25
	}
	checkFast(t, &GroupNorm{Groups: 4, Eps: 1e-5}, []tensor.Tensor{x}, nil, 2e-6)
}

// Rows on vector units, also with a mean far from 0, are the reference's.
func TestLayerNormRows(t *testing.T) {
	for _, n := range []int{1, 7, 16, 96, 197, 768} {
		for _, mean := range []float32{0, -3, 1000} {
			x := normalTensor(1, 5, n)
			for i := range x.F32() {
				x.F32()[i] += mean
			}
			for _, params := range [][]tensor.Tensor{nil, {normalTensor(2, n)}, {normalTensor(2, n), normalTensor(3, n)}} {
				checkFast(t, &LayerNorm{Axis: -1, Eps: 1e-5}, []tensor.Tensor{x}, params, 3e-6)
			}
		}
	}
}

// TestLayerNormHuge: squares, sums or differences of these numbers are beyond float32,
// or their deviation is, small beside the mean.
func TestLayerNormHuge(t *testing.T) {
	affine := []tensor.Tensor{normalTensor(2, 100), normalTensor(3, 100)}
	for _, c := range []struct{ mean, deviation float64 }{{0, 1e25}, {0, 7e37}, {1e38, 3e37}, {-3e38, 1e37}, {3e38, 0}, {9e29, 1e25}, {1e22, 1e20}, {1e30, 1e37}} {
		x := normalTensor(1, 3, 100)
		for i, v := range x.F32() {
			x.F32()[i] = float32(c.mean + c.deviation*max(-2, min(float64(v), 2)))
		}
		for _, params := range [][]tensor.Tensor{nil, affine} {
			checkFast(t, &LayerNorm{Eps: 1e-5, Axis: 1}, []tensor.Tensor{x}, params, 2e-6)
		}
	}
	x := normalTensor(1, 2, 3) // the mean is a number, a difference from it is none
	copy(x.F32(), []float32{3e38, -3e38, 3e38, -math.MaxFloat32, math.MaxFloat32, -math.MaxFloat32})
	checkFast(t, &LayerNorm{Eps: 1e-5, Axis: 1}, []tensor.Tensor{x}, nil, 2e-6)
}

func TestLayerNorm(t *testing.T) {
	x := normalTensor(1, 3, 2, 5)
	scale, bias := normalTensor(2, 5), normalTensor(3, 5)
	out, err := Run(&LayerNorm{Axis: -1, Eps: 1e-3}, []tensor.Tensor{x}, []tensor.Tensor{scale, bias})
	require.NoError(t, err)
	for r := range 6 {
		for i, v := range normal(x.F32(), func(i int) bool { return i/5 == r }, 1e-3) {
			require.InDelta(t, v*float64(scale.F32()[i%5])+float64(bias.F32()[i%5]), out.F32()[i], 1e-6)
		}
	}
	for output := range 3 {
		checkFast(t, &LayerNorm{Axis: 1, Eps: 1e-3, Output: output}, []tensor.Tensor{x}, nil, 1e-6)
	}
	mean, err := Run(&LayerNorm{Axis: 1, Output: 1}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.Equal(t, tensor.Of(3, 1, 1), mean.Shape)
	checkGrad(t, &LayerNorm{Axis: -1, Eps: 1e-3}, []tensor.Tensor{x}, []tensor.Tensor{scale, bias})
	checkGrad(t, &LayerNorm{Axis: 1, Eps: 1e-3}, []tensor.Tensor{x, normalTensor(4, 2, 5)}, []tensor.Tensor{normalTensor(5, 10)})
	checkFast(t, &LayerNorm{Axis: 1}, []tensor.Tensor{normalTensor(1, 300, 200)}, nil, 1e-6)
}

func TestLRN(t *testing.T) {
	x := normalTensor(1, 2, 3, 7)
	for _, op := range []*LRN{
		{Size: 5, Alpha: 0.5, Beta: 0.75, Bias: 1}, {Size: 4, Alpha: 0.5, Beta: 0.6, Bias: 2}, {Size: 1, Alpha: 1, Beta: 0.75, Bias: 1}, {Size: 20, Alpha: 1, Beta: 0.5, Bias: 1},
	} {
		out, err := Run(op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		for i, v := range x.F32() {
			sum, c := 0.0, i%7
			for o := range 7 {
				if o >= c-(op.Size-1)/2 && o <= c+op.Size/2 {
					u := float64(x.F32()[i-c+o])
					sum += u * u
				}
			}
			want := float64(v) / math.Pow(float64(op.Bias)+float64(op.Alpha)/float64(op.Size)*sum, float64(op.Beta))
			require.InDelta(t, want, out.F32()[i], 1e-6)
		}
		checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
		checkGrad(t, op, []tensor.Tensor{x}, nil)
	}
	for _, c := range []int{8, 9, 64, 5000} {
		for _, op := range []*LRN{{Size: 5, Alpha: 1, Beta: 0.75, Bias: 1}, {Size: 4, Alpha: 0.5, Beta: 0.6, Bias: 2}, {Size: 1, Alpha: 1, Beta: 1, Bias: 1}, {Size: 20, Alpha: 1, Beta: 0.5, Bias: 1}} {
			checkFast(t, op, []tensor.Tensor{normalTensor(1, 900*64/c, c)}, nil, 1e-6)
		}
	}
}

func TestLpNorm(t *testing.T) {
	x := tensor.FromF32([]float32{3, 4, 0, 0, -1, 1}, 3, 2)
	out, err := Run(&LpNorm{P: 2, Axis: 1}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0.6, 0.8, 0, 0, -0.70710677, 0.70710677}, out.F32(), 1e-6)
	out, err = Run(&LpNorm{P: 1, Axis: -1}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{3. / 7, 4. / 7, 0, 0, -0.5, 0.5}, out.F32(), 1e-6)
	y := awayFrom(1, 0.06, []float64{0}, 4, 5, 3)
	for _, p := range []int{1, 2} {
		for axis := range 3 {
			for _, eps := range []float32{0, 50} {
				checkGrad(t, &LpNorm{P: p, Axis: axis, Eps: eps}, []tensor.Tensor{y}, nil)
				checkFast(t, &LpNorm{P: p, Axis: axis, Eps: eps}, []tensor.Tensor{y}, nil, 1e-6)
			}
		}
	}
	for _, n := range []int{16, 37, 5000} {
		checkFast(t, &LpNorm{P: 2, Axis: 1}, []tensor.Tensor{normalTensor(1, 9, n)}, nil, 1e-6)
	}
	_, err = (&LpNorm{P: 3}).Infer([]tensor.Spec{x.Spec}, nil)
	require.Error(t, err)
}
