package kern

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestToBF16(t *testing.T) {
	cputest.ForEachPath(t, "gemmbf16/", func(t *testing.T) {
		var x []float32
		for b := uint64(0); b < 1<<32; b += 65521 / 7 {
			x = append(x, math.Float32frombits(uint32(b)))
		}
		x = append(x, float32(math.NaN()), noMax, noMin, math.MaxFloat32, math.Float32frombits(0x3f808000), math.Float32frombits(0x3f818000))
		for _, n := range []int{0, 1, 15, 16, 17, len(x)} {
			guard, dst := newGuarded[uint16](n, n%2, 77)
			ToBF16(dst, x[len(x)-n:])
			if n > 0 {
				guard.check(t, dst)
			}
			for i, got := range dst {
				if want := bf16Bits(x[len(x)-n+i]); got != want {
					t.Fatalf("%v: %#x, want %#x", x[len(x)-n+i], got, want)
				}
			}
		}
		require.Equal(t, uint16(0x3f80), bf16Bits(math.Float32frombits(0x3f808000)), "a tie goes to even")
		require.Equal(t, uint16(0x3f82), bf16Bits(math.Float32frombits(0x3f818000)))
		require.Equal(t, uint16(0x7f80), bf16Bits(math.MaxFloat32))
	})
}

func TestGemmBF16(t *testing.T) {
	g := SelectGemmBF16()
	if g == nil {
		t.Skip("this processor has no VDPBF16PS")
	}
	f := &GemmF32{MR: g.MR, NR: g.NR, Half: g.Half}
	r := rand.New(rand.NewPCG(1, 2))
	round := func(x []float32) []uint16 {
		b := make([]uint16, len(x))
		ToBF16(b, x)
		for i, v := range b {
			x[i] = math.Float32frombits(uint32(v) << 16)
		}
		return b
	}
	for _, c := range [][4]int{{1, 1, 1, 1}, {1, 10, 1, 64}, {3, 33, 2, 5}, {12, 32, 1, 4}, {13, 48, 9, 7}, {25, 17, 1, 31}, {11, 31, 3, 2}, {49, 40, 9, 8}} {
		for bits := range 16 {
			m, n, taps, kc := c[0], c[1], c[2], c[3]
			cs := f.randomCase(r, m, n, taps, kc, bits&1 != 0 || taps > 1, bits&2 != 0, bits&4 != 0, bits&8 != 0)
			fa := &cs.args
			a := GemmBF16Args{A: round(fa.A), Rows: fa.Rows, LDA: fa.LDA, Taps: taps, KC: kc, N: n, Bias: fa.Bias, Res: fa.Res, LDR: fa.LDR, LDC: fa.LDC,
				Min: fa.Min, Max: fa.Max}
			round(cs.w)
			a.B = make([]uint16, g.PackedSize(n, taps, kc))
			g.Pack(a.B, cs.w, n, taps, kc, taps*kc)
			guard, out := newGuarded[float32]((m-1)*a.LDC+n, bits%3, -77)
			a.C = out
			if a.Rows == nil {
				a.A = a.A[:(m-1)*a.LDA+kc]
			}
			a.A, a.B = atEdge(t, a.A), atEdge(t, a.B)
			g.Run(&a, 0, m, 0, n)
			guard.check(t, out)
			for i := range m {
				for j := range n {
					require.InDelta(t, cs.element(f, i, j), out[i*a.LDC+j], 5e-7*float64(taps*kc+1), "%v/%d [%d][%d]", c, bits, i, j)
				}
			}
		}
	}
}

func BenchmarkGemmBF16(b *testing.B) {
	g := SelectGemmBF16()
	if g == nil {
		b.Skip("this processor has no VDPBF16PS")
	}
	const m, n, k = 784, 128, 1152
	a := GemmBF16Args{A: make([]uint16, m*k), LDA: k, Taps: 1, KC: k, N: n, LDC: n, Max: noMax, C: make([]float32, m*n)}
	a.B = make([]uint16, g.PackedSize(n, 1, k))
	for b.Loop() {
		g.Run(&a, 0, m, 0, n)
	}
	b.ReportMetric(2*float64(m*n*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
}
