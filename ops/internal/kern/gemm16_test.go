package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The bits are those of the tile kernels, also where the products take the place of the rows.
func TestPlanes16(t *testing.T) {
	skipUnless64(t)
	var x planes16
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.b), unsafe.Offsetof(x.c), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.planes),
		unsafe.Offsetof(x.biased), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.da), unsafe.Offsetof(x.db), unsafe.Offsetof(x.dc)})
	if !useGemm16AVX512 || !useGemmAVX512 {
		t.Skip("no AVX-512")
	}
	r, g := rand.New(rand.NewPCG(5, 6)), &gemmF32AVX512
	for _, rows := range []int{1, 2, 3, 4, 5, 7, 8, 12, 13} {
		for _, biased := range []int{-1, 0, 2, 9} {
			t.Run(fmt.Sprintf("%d/%d", rows, biased), func(t *testing.T) {
				const planes = 3
				da, dc := 16*rows+5, 16*rows+2
				a := GemmF32Args{A: randF32(r, 2*da+16*rows), LDA: 16, Taps: 1, KC: 16, B: make([]float32, planes*256), N: 16, LDC: 16,
					Bias: randF32(r, 16), Min: negInf, Max: posInf}
				for p := range planes {
					g.Pack(a.B[p*256:], randF32(r, 256), 16, 16, 16)
				}
				want := make([]float32, 2*dc+16*rows)
				for i := range want {
					want[i] = -77
				}
				a.C = want
				g.runSmall(&a, planes, biased, da, 256, dc, rows, 0, 16)
				guard, got := newGuarded[float32](len(want), rows, -77)
				a.C, a.A, a.B = got, atEdge(t, a.A), atEdge(t, a.B)
				require.True(t, g.runPlanes16(&a, planes, biased, da, 256, dc, rows))
				guard.check(t, got)
				require.Equal(t, want, got)
				a.C = a.A
				require.True(t, g.runPlanes16(&a, planes, biased, da, 256, da, rows))
				for p := range planes {
					require.Equal(t, want[p*dc:][:16*rows], a.A[p*da:][:16*rows])
				}
			})
		}
	}
	a := GemmF32Args{KC: 16, N: 15, LDA: 16, LDC: 16}
	require.False(t, g.runPlanes16(&a, 1, 0, 0, 0, 0, 1))
}
