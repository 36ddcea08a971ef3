package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvStride2: minimal filtering at stride 2 is close to the definition, of
// the same bits for any number of threads and room, and left out where it must
// be.
func TestConvStride2(t *testing.T) {
	if !kern.PhaseFast() {
		t.Skip("no assembly")
	}
	for _, c := range []struct {
		n, h, w, ic, oc, pad int
		act                  Act
	}{
		{1, 32, 32, 16, 32, 1, Act{Fn: UnaryRelu}},
		{3, 21, 37, 19, 37, 1, Act{}},
		{2, 56, 56, 32, 160, 0, Clip(0, 6)},
		{2, 15, 15, 64, 48, 1, Act{}},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			two, pad := []int{2, 2}, []int{c.pad, c.pad}
			op := &Conv{Window: Window{Stride: two, PadLo: pad, PadHi: pad}, Act: c.act}
			in := []tensor.Tensor{normalTensor(7, c.n, c.h, c.w, c.ic)}
			params := []tensor.Tensor{normalTensor(8, c.oc, 3, 3, c.ic), normalTensor(9, c.oc)}
			want, err := Run(op, in, params)
			require.NoError(t, err)
			var first []float32
			for threads := 1; threads <= 5; threads++ {
				for _, p := range []*Prep{{Choice: Choice{Winograd: 2}}, {Choice: Choice{Winograd: 4, Tiles: 5}}, {Choice: Choice{Winograd: 2}, ScratchBudget: 100 << 10}} {
					pl := pool.New(threads)
					p.Threads = threads
					got, err := RunPrepared(op, in, params, p, pl)
					pl.Close()
					require.NoError(t, err)
					require.Contains(t, p.Requests().Path, "winograd-s2/")
					if first == nil {
						first = got.F32()
						var sum, norm float64
						for i, v := range want.F32() {
							d := float64(v - first[i])
							sum, norm = sum+d*d, norm+float64(v)*float64(v)
						}
						require.Less(t, math.Sqrt(sum/norm), 1e-6)
					}
					require.Equal(t, first, got.F32())
				}
			}
			op.Act = Act{Fn: UnarySwish}
			p := &Prep{Choice: Choice{Winograd: 2}}
			_, err = RunPrepared(op, in, params, p, nil)
			require.NoError(t, err)
			require.NotContains(t, p.Requests().Path, "winograd", "no clamp")
			op.Act = c.act
			for _, p := range []*Prep{{Exact: true}, {Training: true}, {Choice: Choice{Winograd: WinogradNone}}, {MemoryBudget: 1000}} {
				_, err := RunPrepared(op, in, params, p, nil)
				require.NoError(t, err)
				require.NotContains(t, p.Requests().Path, "winograd")
			}
		})
	}
}
