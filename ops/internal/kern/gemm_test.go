package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// takes has a path taken for the rest of a test, whatever cores it pays on, or says that this one cannot.
func takes(t testing.TB, path string) bool {
	t.Cleanup(cpu.Set(path, true))
	return cpu.Enabled(path)
}

// skipUnless64 leaves out tests of what assembly of 64-bit machines expects.
func skipUnless64(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("assembly is for 64-bit machines")
	}
}

func TestTileLayout(t *testing.T) {
	skipUnless64(t)
	var x tileF32
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 100, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.zero), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.taps), unsafe.Offsetof(x.kc),
		unsafe.Offsetof(x.b), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.res), unsafe.Offsetof(x.ldr), unsafe.Offsetof(x.c),
		unsafe.Offsetof(x.ldc), unsafe.Offsetof(x.n), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max), unsafe.Offsetof(x.panels),
		unsafe.Offsetof(x.ahead), unsafe.Offsetof(x.step), unsafe.Offsetof(x.left), unsafe.Offsetof(x.kernel),
		unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.a), unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.rows), unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.b),
		unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.bias), unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.res), unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.c),
		unsafe.Offsetof(x.by) + unsafe.Offsetof(x.by.ahead)})
}

var noMin, noMax = float32(math.Inf(-1)), float32(math.Inf(1))

func randF32(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = r.Float32()*2 - 1
	}
	return s
}

// guarded is a slice between words that must not change.
type guarded[T comparable] struct {
	all  []T
	mark T
}

func newGuarded[T comparable](n, offset int, mark T) (*guarded[T], []T) {
	const edge = 64
	g := &guarded[T]{make([]T, n+2*edge+offset), mark}
	for i := range g.all {
		g.all[i] = mark
	}
	return g, g.all[edge+offset : edge+offset+n : edge+offset+n]
}

func (g *guarded[T]) check(t *testing.T, body []T) {
	t.Helper()
	start := int((uintptr(unsafe.Pointer(&body[0])) - uintptr(unsafe.Pointer(&g.all[0]))) / unsafe.Sizeof(body[0]))
	for i, v := range g.all {
		if (i < start || i >= start+len(body)) && v != g.mark {
			t.Fatalf("write outside the slice at %d of [%d, %d)", i, start, start+len(body))
		}
	}
}

// gemmCase is a random product with its expected result by one FMA a step, as every assembly path rounds.
type gemmCase struct {
	args GemmF32Args
	m    int
	w    []float32 // [n][k]
	want []float32
}

func (g *GemmF32) randomCase(r *rand.Rand, m, n, taps, kc int, table, bias, res, relu bool) *gemmCase {
	k := taps * kc
	c := &gemmCase{m: m, w: randF32(r, n*k)}
	a := &c.args
	*a = GemmF32Args{Taps: taps, KC: kc, N: n, LDC: n + r.IntN(5), Min: noMin, Max: noMax, LDA: k + r.IntN(3)}
	a.A = randF32(r, m*a.LDA+kc+100)
	if table {
		a.Rows = make([]int32, RowsSize(g.MR, m, taps))
		for i := range a.Rows {
			a.Rows[i] = int32(r.IntN(len(a.A)-kc+1+20) - 20)
		}
	}
	a.B = make([]float32, g.PackedSize(n, k))
	g.Pack(a.B, c.w, n, k, k)
	if bias {
		a.Bias = randF32(r, n)
	}
	if res {
		a.LDR = n + r.IntN(4)
		a.Res = randF32(r, m*a.LDR)
	}
	if relu {
		a.Min, a.Max = 0, 6
	}
	c.want = make([]float32, m*n)
	for i := range m {
		for j := range n {
			c.want[i*n+j] = c.element(g, i, j)
		}
	}
	return c
}

func (c *gemmCase) element(g *GemmF32, i, j int) float32 {
	a := &c.args
	var sum float32
	if a.Bias != nil {
		sum = a.Bias[j]
	}
	for t := range a.Taps {
		row := zeroRow[:a.KC]
		if a.Rows == nil {
			row = a.A[i*a.LDA:]
		} else if o := a.Rows[(i/g.MR*a.Taps+t)*g.MR+i%g.MR]; o >= 0 {
			row = a.A[o:]
		}
		for k := range a.KC {
			sum = fma32(row[k], c.w[j*a.Taps*a.KC+t*a.KC+k], sum)
		}
	}
	if a.Res != nil {
		sum += a.Res[i*a.LDR+j]
	}
	return min(max(sum, a.Min), a.Max)
}

// fma32 is exact enough for tests: the float64 product of two float32 is exact, and double rounding of the sum is rare
// and within one unit.
func fma32(x, y, z float32) float32 { return float32(math.FMA(float64(x), float64(y), float64(z))) }

func TestGemmF32(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := SelectGemmF32()
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range [][4]int{
			{1, 1, 1, 1}, {1, 10, 1, 64}, {2, 16, 1, 3}, {3, 33, 2, 5}, {12, 32, 1, 4}, {13, 48, 9, 7}, {25, 17, 1, 31}, {11, 31, 3, 2},
			{7, 64, 1, 130}, {24, 100, 2, 16}, {49, 40, 9, 8}, {5, 8, 1, 9}, {6, 24, 4, 1}, {8, 9, 1, 12}, {10, 50, 1, 1}, {4, 70, 1, 257}, {1, 200, 2, 37}, {13, 140, 3, 5},
		} {
			for bits := range 16 {
				table := bits&1 != 0 || c[2] > 1
				cs := g.randomCase(r, c[0], c[1], c[2], c[3], table, bits&2 != 0, bits&4 != 0, bits&8 != 0)
				name := fmt.Sprintf("m%dn%dt%dk%d/%d", c[0], c[1], c[2], c[3], bits)
				guard, out := newGuarded[float32]((cs.m-1)*cs.args.LDC+cs.args.N, bits%3, -77)
				cs.args.C = out
				if bits == 15 || bits == 0 {
					cs.toEdge(t)
				}
				g.Run(&cs.args, 0, cs.m, 0, cs.args.N)
				guard.check(t, out)
				cs.compare(t, name)
			}
		}
	})
}

// toEdge moves all operands to where nothing may be read after them.
func (c *gemmCase) toEdge(t *testing.T) {
	a := &c.args
	if a.Rows == nil {
		a.A = a.A[:(c.m-1)*a.LDA+a.KC]
	}
	a.A, a.Rows, a.B, a.Bias = atEdge(t, a.A), atEdge(t, a.Rows), atEdge(t, a.B), atEdge(t, a.Bias)
	if a.Res != nil {
		a.Res = atEdge(t, a.Res[:(c.m-1)*a.LDR+a.N])
	}
}

func (c *gemmCase) compare(t *testing.T, name string) {
	t.Helper()
	a := &c.args
	for i := range c.m {
		for j := range a.N {
			got, want := a.C[i*a.LDC+j], c.want[i*a.N+j]
			if math.Abs(float64(got-want)) > 1e-5*float64(a.KC*a.Taps)+1e-6 {
				t.Fatalf("%s: C[%d][%d] = %v, want %v", name, i, j, got, want)
			}
		}
		for j := a.N; j < a.LDC && i < c.m-1; j++ {
			require.Equal(t, float32(-77), a.C[i*a.LDC+j], "%s: column %d of row %d is not ours", name, j, i)
		}
	}
}

// However a product is cut into ranges, and whichever assembly runs it, the bits are the same.
func TestGemmF32Ranges(t *testing.T) {
	var first []float32
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := SelectGemmF32()
		r := rand.New(rand.NewPCG(3, 4))
		const m, n, k = 53, 111, 77
		x, w, bias := randF32(r, m*k), randF32(r, n*k), randF32(r, n)
		a := GemmF32Args{A: x, LDA: k, Taps: 1, KC: k, N: n, Bias: bias, LDC: n, Min: 0, Max: noMax, C: make([]float32, m*n)}
		a.B = make([]float32, g.PackedSize(n, k))
		g.Pack(a.B, w, n, k, k)
		g.Run(&a, 0, m, 0, n)
		whole := append([]float32(nil), a.C...)
		clear(a.C)
		for m0 := 0; m0 < m; {
			m1 := min(m, m0+1+r.IntN(20))
			for n0 := 0; n0 < n; {
				n1 := min(n, n0+g.NR*(1+r.IntN(2)))
				g.Run(&a, m0, m1, n0, n1)
				n0 = n1
			}
			m0 = m1
		}
		require.Equal(t, whole, a.C)
		if g.isa != isaGeneric {
			if first == nil {
				first = whole
			}
			require.Equal(t, first, whole, "instruction sets disagree")
		}
	})
}

func TestGemmF32Accumulate(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := SelectGemmF32()
		r := rand.New(rand.NewPCG(5, 6))
		cs := g.randomCase(r, 15, 37, 1, 11, false, false, false, false)
		a := &cs.args
		a.C = make([]float32, cs.m*a.LDC)
		for i := range a.C {
			a.C[i] = 100
		}
		a.Res, a.LDR = a.C, a.LDC
		g.Run(a, 0, cs.m, 0, a.N)
		g.Run(a, 0, cs.m, 0, a.N)
		for i := range cs.m {
			for j := range a.N {
				require.InDelta(t, 100+2*cs.want[i*a.N+j], a.C[i*a.LDC+j], 5e-5)
			}
		}
	})
}

func TestGemmF32NaN(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := SelectGemmF32()
		nan := float32(math.NaN())
		a := GemmF32Args{A: []float32{nan, noMax, 1}, LDA: 1, Taps: 1, KC: 1, N: 1, LDC: 1, Min: 0, Max: 6, C: make([]float32, 3)}
		a.B = make([]float32, g.PackedSize(1, 1))
		g.Pack(a.B, []float32{1}, 1, 1, 1)
		g.Run(&a, 0, 3, 0, 1)
		require.True(t, a.C[0] != a.C[0], "a clamp must not hide a NaN")
		require.Equal(t, []float32{6, 1}, a.C[1:])
	})
}

func TestPackKN(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := SelectGemmF32()
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range []int{1, 7, 16, 17, 32, 45, 64, 65} {
			const k = 9
			nk, kn := randF32(r, n*k), make([]float32, n*k)
			for j := range n {
				for p := range k {
					kn[p*n+j] = nk[j*k+p]
				}
			}
			one, two := make([]float32, g.PackedSize(n, k)), make([]float32, g.PackedSize(n, k))
			for i := range one {
				one[i], two[i] = 9, 8
			}
			g.Pack(one, nk, n, k, k)
			g.PackKN(two, kn, n, k, n)
			require.Equal(t, one, two)
		}
	})
}

func TestWindowRows(t *testing.T) {
	var x tapTile
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.Equal(t, []uintptr{0, 32, 40, 48, 56, 60, 64, 68, 72, 76, 80, 88, 96, 104, 112, 116, 120}, []uintptr{
			unsafe.Offsetof(x.dst), unsafe.Offsetof(x.y), unsafe.Offsetof(x.x), unsafe.Offsetof(x.lin), unsafe.Offsetof(x.h), unsafe.Offsetof(x.w),
			unsafe.Offsetof(x.dh), unsafe.Offsetof(x.dw), unsafe.Offsetof(x.row), unsafe.Offsetof(x.col), unsafe.Offsetof(x.rows),
			unsafe.Offsetof(x.stride), unsafe.Offsetof(x.kh), unsafe.Offsetof(x.kw), unsafe.Offsetof(x.y0), unsafe.Offsetof(x.x0), unsafe.Offsetof(x.lin0)})
	}
	cputest.ForEachPath(t, "gemm/", testWindowRows)
}

func testWindowRows(t *testing.T) {
	w := Window{In: [3]int{2, 5, 7}, Out: [3]int{1, 3, 4}, Kernel: [3]int{2, 3, 2}, Stride: [3]int{1, 2, 2}, Dilation: [3]int{1, 1, 2},
		Pad: [3]int{0, 1, 1}, Pixel: 3}
	for _, mr := range []int{1, 4, 12, 16} {
		for _, span := range [][2]int{{0, 12}, {0, 5}, {4, 11}, {0, 1}} {
			for _, cut := range []Tiles{{}, evenTiles(mr, span[1]-span[0])} {
				rows := make([]int32, RowsSize(mr, span[1]-span[0], w.Taps()))
				w.FillRows(rows, mr, cut, span[0], span[1])
				m := span[0]
				for i, n := range heights(cut, mr, span[1]-span[0]) {
					for at, got := range rows[i*mr*w.Taps():][:mr*w.Taps()] {
						if at%mr < n {
							require.Equal(t, w.Offset(m+at%mr, at/mr), got)
						}
					}
					m += n
				}
			}
		}
	}
}

func TestGemmF32Allocs(t *testing.T) {
	g := SelectGemmF32()
	cs := g.randomCase(rand.New(rand.NewPCG(1, 1)), 15, 37, 1, 11, false, true, false, false)
	cs.args.C = make([]float32, cs.m*cs.args.LDC)
	require.Zero(t, testing.AllocsPerRun(10, func() { g.Run(&cs.args, 0, cs.m, 0, cs.args.N) }))
}

func BenchmarkGemmF32(b *testing.B) {
	for _, c := range [][3]int{{3136, 64, 64}, {784, 128, 1152}, {49, 512, 4608}, {196, 96, 576}, {1024, 16, 144}, {1, 1000, 512}} {
		b.Run(fmt.Sprintf("m%dn%dk%d", c[0], c[1], c[2]), func(b *testing.B) {
			cputest.ForEachPathB(b, "gemm/", func(b *testing.B) {
				g := SelectGemmF32()
				m, n, k := c[0], c[1], c[2]
				a := GemmF32Args{A: make([]float32, m*k), LDA: k, Taps: 1, KC: k, N: n, LDC: n, Max: noMax, C: make([]float32, m*n)}
				a.B = make([]float32, g.PackedSize(n, k))
				touch(a.A, a.B)
				for b.Loop() {
					g.Run(&a, 0, m, 0, n)
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		})
	}
}

// touch writes to memory that a benchmark reads: pages that nobody wrote are all one page of zeros, from which a Zen 3 took
// rows a page apart at .4 of the speed that it has for rows of their own.
func touch(all ...[]float32) {
	for _, x := range all {
		for i := range x {
			x[i] = float32(i%7) - 3
		}
	}
}
