package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestPower is powers, usual ones and others, of ordinary numbers and the ends of what there is: within a unit or two of the
// definition, and no number or infinite exactly where that is.
func TestPower(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	base := []float64{0, math.Copysign(0, -1), 1, -1, 2, -2, 0.5, -0.5, 3.7, -3.7, 1e-40, -1e-40, 1e-45, 1.2e-38, 3e38, -3e38, 1e19, -1e19, 1e-20, 88, inf, -inf, nan}
	powers := []float64{0, 1, 2, 3, -1, -2, 0.5, -0.5, 1. / 3, 2.2, 4, -3, 7, 100, -100, 1e-30, 3e38, -3e38, inf, -inf, nan}
	for _, n := range []int{1, 7, len(base), 255, 257, 1025} {
		x := normalTensor(1, n)
		for i := range min(n, len(base)) {
			x.F32()[(i*37)%n] = float32(base[i])
		}
		for _, w := range powers {
			y := tensor.FromF32([]float32{float32(w)}, 1)
			for _, params := range [][]tensor.Tensor{{y}, {powersOf(y, n)}} {
				checkPower(t, x, params[0], []tensor.Tensor{x}, params)
				if n > 1 {
					checkPower(t, y, x, []tensor.Tensor{y, x}, nil) // one number to many powers
				}
			}
		}
	}
}

// powersOf is a number n times.
func powersOf(y tensor.Tensor, n int) tensor.Tensor {
	all := tensor.New(tensor.F32Spec(n))
	for i := range all.F32() {
		all.F32()[i] = y.F32()[0]
	}
	return all
}

func checkPower(t *testing.T, x, y tensor.Tensor, in, params []tensor.Tensor) {
	t.Helper()
	out, err := RunPrepared(&Binary{Fn: BinaryPow}, in, params, &Prep{}, nil)
	require.NoError(t, err)
	for i, got := range out.F32() {
		v, w := x.F32()[i%x.Shape.Elems()], y.F32()[i%y.Shape.Elems()]
		want := binaryScalar(BinaryPow, v, w)
		if want != want {
			require.True(t, got != got, "%v to the power %v: %v", v, w, got)
			continue
		}
		// Neighbours have neighbouring bits; the sign of a 0 counts.
		apart := int64(int32(math.Float32bits(want))) - int64(int32(math.Float32bits(got)))
		require.True(t, apart >= -2 && apart <= 2, "%v to the power %v: %v, want %v", v, w, got, want)
	}
}
