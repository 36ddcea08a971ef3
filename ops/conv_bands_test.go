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

// A first layer by bands gives the bits of the one with a padded copy, for any number of threads and any budget, and
// writes nothing between its results.
func TestConvBands(t *testing.T) {
	if kern.SelectGemmF32().NR != bandPanels {
		t.Skip("no bands on this processor")
	}
	random := func(r *rand.Rand, dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(r.NormFloat64())
		}
		return x
	}
	for _, c := range []struct{ n, h, w, ic, oc, k, stride, pad int }{
		{1, 9, 12, 3, 8, 3, 2, 1}, {2, 11, 8, 1, 5, 3, 1, 0}, {1, 224, 224, 3, 32, 3, 2, 1}, {3, 63, 61, 3, 24, 11, 4, 2},
		{1, 1, 400, 2, 16, 7, 1, 3}, {1, 40, 500, 4, 9, 5, 3, 4}, {1, 10, 10, 15, 40, 2, 2, 0},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			op := &Conv{Window: Window{Stride: []int{c.stride, c.stride}, PadLo: []int{c.pad, c.pad}, PadHi: []int{c.pad, c.pad}}, Act: Clip(0, 6)}
			in := []tensor.Tensor{random(r, c.n, c.h, c.w, c.ic)}
			params := []tensor.Tensor{random(r, c.oc, min(c.k, c.h+2*c.pad), c.k, c.ic), random(r, c.oc)}
			run := func(threads, budget int) []float32 {
				p := &Prep{Threads: threads, ScratchBudget: budget}
				y, err := RunPrepared(op, in, params, p, nil)
				require.NoError(t, err)
				if budget == 0 && useConvBands {
					k, err := op.Prepare(p)
					require.NoError(t, err)
					require.IsType(t, &convBands{}, k)
				} else if budget > 0 {
					require.LessOrEqual(t, p.Requests().Scratch, budget)
				}
				return y.F32()
			}
			got := [][]float32{run(1, 0), run(2, 0), run(5, 0), run(1, 8<<10), run(2, 200<<10)}
			defer cpu.Set("conv/bands", false)()
			want := run(1, 0)
			for i, y := range got {
				require.Equal(t, want, y, "run %d", i)
			}
		})
	}
}
