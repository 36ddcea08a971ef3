//go:build !purego

package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTilesAVX2: a call of some tiles is those tiles one by one, below each other or beside each other.
func TestTilesAVX2(t *testing.T) {
	if !useGemmAVX2 {
		t.Skip("no AVX2")
	}
	const height, count = 6, 3
	kernels := [...]func(*tileF32){nil, gemmF32x1x16AVX2, gemmF32x2x16AVX2, gemmF32x3x16AVX2, gemmF32x4x16AVX2, gemmF32x5x16AVX2, gemmF32x6x16AVX2,
		gemmF32x1x8AVX2, gemmF32x2x8AVX2, gemmF32x3x8AVX2, gemmF32x4x8AVX2, gemmF32x5x8AVX2, gemmF32x6x8AVX2}
	r := rand.New(rand.NewPCG(3, 4))
	for kernel, one := range kernels {
		for k := 1; k < 20 && one != nil; k += 1 + r.IntN(4) {
			rows, cols := (kernel-1)%height+1, 16-(kernel-1)/height*8
			lda, ldc := k+r.IntN(3), count*cols+r.IntN(3)
			a, b := randF32(r, count*rows*lda), randF32(r, count*cols*k)
			bias, res := randF32(r, count*cols), randF32(r, count*rows*ldc)
			for name, by := range map[string]stepsF32{
				"below":  {a: 4 * rows * lda, c: 4 * rows * ldc, res: 4 * rows * ldc},
				"beside": {b: 4 * cols * k, c: 4 * cols, res: 4 * cols, bias: 4 * cols},
			} {
				got := make([][]float32, 2)
				for i := range got {
					guard, c := newGuarded[float32](count*rows*ldc, i, -77)
					var direct [16]int32
					tile := (&GemmF32Args{A: a, LDA: lda, LDC: ldc, LDR: ldc, Taps: 1, KC: k, Min: -.5, Max: noMax}).tile(&GemmF32{MR: height, NR: 16}, &direct)
					tile.n, tile.kernel, tile.by = cols, kernel, by
					for j := range count {
						tile.a, tile.b, tile.c = &a[j*by.a/4], &b[j*by.b/4], &c[j*by.c/4]
						tile.bias, tile.res = &bias[j*by.bias/4], &res[j*by.res/4]
						if i == 0 {
							one(&tile)
							continue
						}
						tile.left = count
						tilesAVX2(&tile)
						require.Zero(t, tile.left)
						break
					}
					guard.check(t, c)
					got[i] = c
				}
				require.Equal(t, got[0], got[1], fmt.Sprintf("kernel %d, depth %d, tiles %s", kernel, k, name))
			}
		}
	}
}
