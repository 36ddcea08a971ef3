package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestTileI8Layout(t *testing.T) {
	skipUnless64(t)
	var x tileI8
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 108, 112, 116, 120,
		128, 136, 140, 144, 148, 152, 156, 160, 168, 176, 184, 192, 200, 208, 216}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.zero), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.taps), unsafe.Offsetof(x.kc),
		unsafe.Offsetof(x.b), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.wzero), unsafe.Offsetof(x.sums), unsafe.Offsetof(x.c),
		unsafe.Offsetof(x.ldc), unsafe.Offsetof(x.n), unsafe.Offsetof(x.scale), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max),
		unsafe.Offsetof(x.zeroPoint), unsafe.Offsetof(x.flip), unsafe.Offsetof(x.mr), unsafe.Offsetof(x.panels), unsafe.Offsetof(x.words),
		unsafe.Offsetof(x.lo), unsafe.Offsetof(x.hi), unsafe.Offsetof(x.outXor), unsafe.Offsetof(x.wild), unsafe.Offsetof(x.end), unsafe.Offsetof(x.ahead),
		unsafe.Offsetof(x.inside), unsafe.Offsetof(x.wide), unsafe.Offsetof(x.stride), unsafe.Offsetof(x.last),
		unsafe.Offsetof(x.runs), unsafe.Offsetof(x.pairs), unsafe.Offsetof(x.runStep)})
}

func randBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
		if r.IntN(4) == 0 { // extremes: what would saturate must not
			b[i] = []byte{0, 255, 127, 128}[r.IntN(4)]
		}
	}
	return b
}

func signedByte(b byte, signed bool) int32 {
	if signed {
		return int32(int8(b))
	}
	return int32(b)
}

func TestGemmI8(t *testing.T) {
	cputest.ForEachPath(t, "gemmi8/", func(t *testing.T) {
		g := SelectGemmI8()
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range [][4]int{
			{1, 1, 1, 1}, {1, 10, 1, 64}, {2, 16, 1, 3}, {3, 33, 2, 5}, {12, 32, 1, 4}, {13, 48, 9, 7}, {25, 17, 1, 31}, {11, 31, 3, 2},
			{7, 64, 1, 130}, {24, 100, 2, 16}, {49, 40, 9, 8}, {5, 8, 1, 9}, {6, 24, 4, 1}, {8, 9, 1, 12}, {10, 50, 1, 6}, {4, 70, 1, 257},
			{9, 100, 1, 40}, {17, 33, 2, 5}, {37, 70, 1, 23},
		} {
			for bits := range 16 {
				testGemmI8(t, g, r, c, bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0 || c[2] > 1)
			}
		}
	})
}

// Every height of a tile with every end of a tap.
func TestGemmI8Ends(t *testing.T) {
	cputest.ForEachPath(t, "gemmi8/", func(t *testing.T) {
		g := SelectGemmI8()
		r := rand.New(rand.NewPCG(3, 4))
		for m := 1; m <= g.MR; m++ {
			for kc := 1; kc <= 40; kc++ {
				testGemmI8(t, g, r, [4]int{m, 5 + r.IntN(2*g.NR), 1 + kc%3, kc}, kc&1 != 0, m&1 != 0, kc%5 == 0, kc%3 > 0)
			}
		}
	})
}

func testGemmI8(t *testing.T, g *GemmI8, r *rand.Rand, c [4]int, aSigned, wSigned, zeros, table bool) {
	m, n, taps, kc := c[0], c[1], c[2], c[3]
	k := taps * kc
	a := GemmI8Args{ASigned: aSigned, Taps: taps, KC: kc, N: n, LDA: k + r.IntN(3), LDC: n + r.IntN(4)}
	// A ends where its last row does: nothing past it may be read.
	guardA, data := newGuarded[byte]((m-1)*a.LDA+k, r.IntN(3), 99)
	copy(data, randBytes(r, len(data)))
	a.A = data
	az, cSigned := int32(r.IntN(256)), r.IntN(2) == 0
	a.Lo, a.Hi, a.CZero = 0, 255, int32(r.IntN(256))
	if aSigned {
		az -= 128
	}
	if r.IntN(3) == 0 {
		a.CZero = 0
	}
	if cSigned {
		a.Lo, a.Hi, a.CZero = a.Lo-128, a.Hi-128, a.CZero-128
	}
	if r.IntN(2) == 0 {
		a.Lo += int32(r.IntN(20))
	}
	if table {
		a.Zero = make([]byte, kc)
		for i := range a.Zero {
			a.Zero[i] = byte(az)
		}
		a.Rows = make([]int32, RowsSize(g.MR, m, taps))
		for i := range a.Rows {
			a.Rows[i] = int32(r.IntN(len(a.A)-kc+1+5) - 5)
		}
		if a.Inside = r.IntN(3) == 0; a.Inside {
			for i, o := range a.Rows {
				a.Rows[i] = max(0, o)
			}
		}
		if r.IntN(2) == 0 {
			a.Cut = g.Even(m)
		}
	}
	var place []int // of each row's offsets in the table
	for i, h := range heights(a.Cut, g.MR, m) {
		for j := range h {
			place = append(place, i*g.MR+j)
		}
	}
	w, bias, scale := randBytes(r, n*k), make([]int32, n), make([]float32, n)
	var zero []int32
	if zeros {
		zero = make([]int32, n)
	}
	for j := range n {
		bias[j], scale[j] = int32(r.IntN(2000)-1000), r.Float32()*0.02
		if r.IntN(20) == 0 { // past what converts to 32 bits
			scale[j] = []float32{noMax, 3e7, float32(math.NaN()), 3}[r.IntN(4)]
		}
		if zeros {
			zero[j] = signedByte(byte(r.Uint32()), wSigned)
		}
	}
	a.B = make([]byte, g.PackedSize(n, taps, kc))
	g.Pack(a.B, w, n, taps, kc, k, wSigned, zero)
	a.Cols = g.Columns(w, n, taps, kc, k, wSigned, zero, bias, scale, az, aSigned)
	guard, out := newGuarded[byte]((m-1)*a.LDC+n, r.IntN(3), 77)
	a.C = out
	guardWide, wide := newGuarded[byte](g.WideSize(m, taps, kc)+1, r.IntN(3), 55)
	a.Wide = wide
	if r.IntN(2) == 0 {
		a.Next = make([]byte, 1)
	}
	add := randAdd(r, cSigned, wSigned)
	if r.IntN(2) == 0 {
		a.LDR = n + r.IntN(4)
		a.Res = atEdge(t, randBytes(r, (m-1)*a.LDR+n))
		a.Sum = NewGemmI8Sum(add)
	}
	if r.IntN(4) == 0 {
		a.A, a.B, a.Rows, a.Zero = atEdge(t, a.A), atEdge(t, a.B), atEdge(t, a.Rows), atEdge(t, a.Zero)
		a.Cols.bias, a.Cols.scale, a.Cols.zero = atEdge(t, a.Cols.bias), atEdge(t, a.Cols.scale), atEdge(t, a.Cols.zero)
	}
	g.Run(&a, 0, m, 0, n)
	guard.check(t, out)
	guardA.check(t, data)
	guardWide.check(t, wide)
	for i := range m {
		for j := range n {
			acc := bias[j]
			for tap := range taps {
				var row []byte
				if at := place[i]; table {
					row = a.row(g.MR, at/g.MR*g.MR, tap, at%g.MR)
				} else {
					row = a.row(g.MR, i, tap, 0)
				}
				for p, v := range row {
					acc += (signedByte(v, aSigned) - az) * (signedByte(w[j*k+tap*kc+p], wSigned) - zeroAt(zero, j))
				}
			}
			want := requantI8(acc, scale[j], a.CZero, a.Lo, a.Hi)
			if a.Sum != nil {
				want = add.plain(want, a.Res[i*a.LDR+j])
			}
			require.Equal(t, want, out[i*a.LDC+j], "%v: [%d][%d], sum %d", c, i, j, acc)
		}
		for j := n; j < a.LDC && i < m-1; j++ {
			require.Equal(t, byte(77), out[i*a.LDC+j])
		}
	}
}

func TestRequantI8(t *testing.T) {
	inf := noMax
	require.Equal(t, byte(2), requantI8(5, 0.5, 0, 0, 255), "half to even")
	require.Equal(t, byte(4), requantI8(7, 0.5, 0, 0, 255))
	require.Equal(t, byte(255), requantI8(1, inf, 0, 0, 255))
	require.Equal(t, byte(3), requantI8(0, inf, 0, 3, 255), "a NaN")
	low := int8(-128)
	require.Equal(t, byte(low), requantI8(-1<<31, 1, 5, -128, 127))
}

func BenchmarkGemmI8(b *testing.B) {
	for _, c := range [][3]int{{3136, 64, 64}, {784, 128, 1152}, {49, 512, 4608}, {196, 96, 576}, {1024, 16, 144}} {
		b.Run(fmt.Sprintf("m%dn%dk%d", c[0], c[1], c[2]), func(b *testing.B) {
			cputest.ForEachPathB(b, "gemmi8/", func(b *testing.B) {
				g := SelectGemmI8()
				m, n, k := c[0], c[1], c[2]
				a := GemmI8Args{A: make([]byte, m*k), LDA: k, Taps: 1, KC: k, N: n, LDC: n, Hi: 255, C: make([]byte, m*n), Wide: make([]byte, g.WideSize(m, 1, k))}
				w := make([]byte, n*k)
				a.B = make([]byte, g.PackedSize(n, 1, k))
				a.Cols = g.Columns(w, n, 1, k, k, true, nil, nil, []float32{1}, 0, false)
				for b.Loop() {
					g.Run(&a, 0, m, 0, n)
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gop/s")
			})
		})
	}
}
