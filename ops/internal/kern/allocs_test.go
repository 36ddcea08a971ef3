package kern

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// Nothing that runs allocates, on any path.
func TestAllocs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	dw := dwRandom(r, 7, 9, 20, 3, 1, 1, 1)
	dw.Out = make([]float32, dw.OH*dw.OW*dw.OutPixel)
	pool := PoolF32Args{In: make([]float32, 64*20), H: 8, W: 8, C: 20, Pixel: 20, KH: 3, KW: 3, SH: 2, SW: 2, DH: 1, DW: 1, PT: 1, PL: 1,
		Out: make([]float32, 16*20), OH: 4, OW: 4, OutPixel: 20}
	dwi := DWI8Args{In: make([]byte, 64*20), H: 8, W: 8, C: 20, Pixel: 20, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, Hi: 255,
		Out: make([]byte, 64*20), OH: 8, OW: 8, OutPixel: 20, Weights: PackDWI8(make([]byte, 180), 9, 20, true, nil, nil, []float32{1})}
	tn := GemmTNArgs{A: make([]float32, 7*13), LDA: 13, B: make([]float32, 7*40), LDB: 40, K: 7, M: 13, N: 40, C: make([]float32, 13*40), LDC: 40}
	w := Window{In: [3]int{1, 8, 8}, Out: [3]int{1, 8, 8}, Kernel: [3]int{1, 3, 3}, Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1}, Pad: [3]int{0, 1, 1}, Pixel: 20}
	rows := make([]int32, RowsSize(12, 64, 9))
	gi := SelectGemmI8()
	ai := GemmI8Args{A: make([]byte, 15*30), LDA: 30, Taps: 1, KC: 30, B: make([]byte, gi.PackedSize(37, 1, 30)), N: 37, Hi: 255, C: make([]byte, 15*37), LDC: 37,
		Cols: gi.Columns(make([]byte, 37*30), 37, 1, 30, 30, false, nil, nil, []float32{1}, 0, true)}
	cputest.ForEachPath(t, "dw", func(t *testing.T) {
		require.Zero(t, testing.AllocsPerRun(3, func() {
			dw.Run(0, dw.OH)
			pool.Run(0, 4)
			dwi.Run(0, 8)
			tn.Run(0, 13, 0, 40)
			w.FillRows(rows, 12, Tiles{}, 0, 64)
			gi.Run(&ai, 0, 15, 0, 37)
		}))
	})
}
