package kern

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestTNLayout(t *testing.T) {
	skipUnless64(t)
	var x tileTN
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.lda), unsafe.Offsetof(x.b), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.ldb),
		unsafe.Offsetof(x.k), unsafe.Offsetof(x.c), unsafe.Offsetof(x.ldc), unsafe.Offsetof(x.n), unsafe.Offsetof(x.accumulate)})
}

func TestGemmTN(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range [][3]int{{1, 1, 1}, {3, 12, 32}, {7, 13, 33}, {40, 25, 17}, {19, 5, 70}, {64, 24, 48}, {9, 11, 7}, {100, 6, 16}} {
			for bits := range 4 {
				k, m, n := c[0], c[1], c[2]
				a := GemmTNArgs{LDA: m + r.IntN(3), LDB: n + r.IntN(3), K: k, M: m, N: n, LDC: n + r.IntN(3), Accumulate: bits&1 != 0}
				_, a.A = newGuarded[float32]((k-1)*a.LDA+m, 0, 0)
				copy(a.A, randF32(r, len(a.A)))
				a.B = randF32(r, (k-1)*a.LDB+n)
				if bits&2 != 0 {
					a.Rows = make([]int32, k)
					for i := range a.Rows {
						a.Rows[i] = int32(r.IntN(len(a.B)-n+1+3) - 3)
					}
				}
				guard, out := newGuarded[float32]((m-1)*a.LDC+n, bits, 5)
				a.C = out
				a.A, a.B, a.Rows = atEdge(t, a.A), atEdge(t, a.B), atEdge(t, a.Rows)
				m1, n1 := r.IntN(m+1), r.IntN(n+1)
				for _, cut := range [][4]int{{0, m1, 0, n1}, {m1, m, 0, n1}, {0, m1, n1, n}, {m1, m, n1, n}} {
					a.Run(cut[0], cut[1], cut[2], cut[3])
				}
				guard.check(t, out)
				for i := range m {
					for j := range n {
						sum := float32(0)
						if a.Accumulate {
							sum = 5
						}
						for p := range k {
							row := p * a.LDB
							if a.Rows != nil {
								if row = int(a.Rows[p]); row < 0 {
									continue
								}
							}
							sum += a.A[p*a.LDA+i] * a.B[row+j]
						}
						require.InDelta(t, sum, out[i*a.LDC+j], 1e-5)
					}
					for j := n; j < a.LDC && i < m-1; j++ {
						require.Equal(t, float32(5), out[i*a.LDC+j])
					}
				}
			}
		}
	})
}

func BenchmarkGemmTN(b *testing.B) {
	cputest.ForEachPathB(b, "gemm/", func(b *testing.B) {
		const k, m, n = 512, 128, 128
		a := GemmTNArgs{A: make([]float32, k*m), LDA: m, B: make([]float32, k*n), LDB: n, K: k, M: m, N: n, C: make([]float32, m*n), LDC: n, Accumulate: true}
		for b.Loop() {
			a.Run(0, m, 0, n)
		}
		b.ReportMetric(2*float64(m*n*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
	})
}

func TestPackTN(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{6, 8, 12, 16, 32} {
		for _, n := range []int{1, width - 1, width, width + 1, 3*width + 5} {
			rows, ld := 1+r.IntN(9), n+r.IntN(4)
			src := atEdge(t, randF32(r, (rows-1)*ld+n))
			guard, dst := newGuarded[float32]((n+width-1)/width*rows*width, r.IntN(3), -77)
			PackTN(dst, src, rows, n, ld, width)
			guard.check(t, dst)
			for i, got := range dst {
				panel, row, col := i/(rows*width), i/width%rows, i%width
				want := float32(-77)
				if c := panel*width + col; c < n {
					want = src[row*ld+c]
				}
				require.Equal(t, want, got)
			}
		}
	}
}
