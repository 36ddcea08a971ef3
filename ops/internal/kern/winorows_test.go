package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestWinoRowsLayout(t *testing.T) {
	skipUnless64(t)
	var x winoRows
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.lda), unsafe.Offsetof(x.b), unsafe.Offsetof(x.c), unsafe.Offsetof(x.ldc), unsafe.Offsetof(x.bias),
		unsafe.Offsetof(x.depth), unsafe.Offsetof(x.panels), unsafe.Offsetof(x.groups), unsafe.Offsetof(x.backA), unsafe.Offsetof(x.backC),
		unsafe.Offsetof(x.near), unsafe.Offsetof(x.nearStep), unsafe.Offsetof(x.aheadStep)})
}

// The bits are the tile kernels', whatever the number of rows and columns, at the edge of a page; and what is no such
// product is left alone.
func TestRunRows(t *testing.T) {
	if !takes(t, "winorows/avx512") || !useGemmAVX512 {
		t.Skip("not here")
	}
	r, g := rand.New(rand.NewPCG(3, 8)), &gemmF32AVX512
	for rows := 8; rows <= 41; rows++ {
		for i, depth := range []int{6, 8, 14, 64, 1024} {
			const n, n0, n1 = 112, 32, 96
			t.Run(fmt.Sprintf("%d/%d", rows, depth), func(t *testing.T) {
				lda, ldc := depth, n+i
				if i%2 == 0 && depth < 64 {
					lda += 3
				}
				a := GemmF32Args{LDA: lda, Taps: 1, KC: depth, N: n, LDC: ldc, Min: negInf, Max: posInf,
					A: atEdge(t, randF32(r, (rows-1)*lda+depth)), B: atEdge(t, randF32(r, g.PackedSize(n, depth)))}
				if (rows+i)%2 == 0 {
					a.Bias = atEdge(t, randF32(r, n))
				}
				want := make([]float32, (rows-1)*ldc+n)
				for i := range want {
					want[i] = -77
				}
				a.C = want
				g.Run(&a, 0, rows, n0, n1)
				guard, got := newGuarded[float32](len(want), i, -77)
				a.C = got
				require.True(t, g.runRows(&a, rows, n0, n1))
				require.Equal(t, want, got)
				guard.check(t, got)

				require.False(t, g.runRows(&a, rows, n0, n))
				require.False(t, g.runRows(&a, 7, n0, n1))
				a.KC--
				require.False(t, g.runRows(&a, rows, n0, n1))
			})
		}
	}
}
