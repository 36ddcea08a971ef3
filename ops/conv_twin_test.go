package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Two outputs as one row give the bits of one by one.
func TestConvTwin(t *testing.T) {
	if kern.SelectGemmF32().Half < 16 {
		t.Skip("no wide panels on this processor")
	}
	random := func(r *rand.Rand, dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		return x
	}
	for _, c := range []struct{ n, h, w, ic, oc, k, stride, pad int }{
		{1, 9, 12, 3, 8, 3, 2, 1}, {2, 11, 8, 1, 5, 3, 1, 1}, {1, 20, 20, 3, 7, 5, 2, 2}, {1, 13, 16, 4, 1, 3, 1, 1},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			op := &Conv{Window: Window{Stride: []int{c.stride, c.stride}, PadLo: []int{c.pad, c.pad}, PadHi: []int{c.pad, c.pad}}, Act: Clip(0, 6)}
			in := []tensor.Tensor{random(r, c.n, c.h, c.w, c.ic)}
			params := []tensor.Tensor{random(r, c.oc, c.k, c.k, c.ic), random(r, c.oc)}
			paths := map[string]bool{}
			run := func(p *Prep) tensor.Tensor {
				y, err := RunPrepared(op, in, params, p, nil)
				require.NoError(t, err)
				paths[p.Requests().Path] = true
				return y
			}
			twin := run(&Prep{Threads: 1})
			defer cpu.Set("conv/twin", false)()
			one := run(&Prep{Threads: 1})
			require.Equal(t, one.F32(), twin.F32())
			require.Len(t, paths, 2, "both paths were taken: %v", paths)
		})
	}
}
