package kern

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// Asking ahead changes the order of tiles and their heights, and no bit; what is asked for may be anywhere.
func TestGemmF32Ahead(t *testing.T) { cputest.ForEachPath(t, "gemm/", testGemmF32Ahead) }

func testGemmF32Ahead(t *testing.T) {
	if SelectGemmF32().isa == isaGeneric {
		t.Skip("the portable product asks for nothing")
	}
	const rows = 1 + aheadRows/(4*700) // more than stay in a cache
	for _, c := range [][4]int{{2, 33, 1, 7}, {13, 100, 1, 64}, {49, 70, 1, 33}, {49, 64, 9, 16}, {37, 16, 3, 5}, {200, 110, 1, 257}, {rows, 96, 1, 700}, {98, 130, 1, 1024}, {3100, 64, 1, 64}, {525, 520, 1, 250}} {
		for bits := range 8 {
			if bits > 0 && bits < 7 && c[0] > 100 {
				continue
			}
			table := bits&1 != 0 || c[2] > 1
			t.Run(fmt.Sprint(c, bits), func(t *testing.T) {
				var first []float32
				cputest.ForEachPath(t, "ahead/", func(t *testing.T) {
					g := SelectGemmF32()
					cs := g.randomCase(rand.New(rand.NewPCG(9, uint64(bits))), c[0], c[1], c[2], c[3], table, bits&1 != 0, bits&2 != 0, bits&4 != 0)
					guard, out := newGuarded[float32]((cs.m-1)*cs.args.LDC+cs.args.N, bits%3, -77)
					cs.args.C = out
					if bits == 7 {
						cs.args.Next = make([]float32, 1)
					}
					cs.toEdge(t)
					g.Run(&cs.args, 0, cs.m, 0, cs.args.N)
					guard.check(t, out)
					if first == nil {
						first = append(first, out...)
						cs.compare(t, "ahead")
					}
					require.True(t, slices.Equal(first, out))
				})
			})
		}
	}
}

// Planes that ask for each other's weights give the bits of products one by one, in a range of columns and whole.
func TestSmallAhead(t *testing.T) { cputest.ForEachPath(t, "gemm/", testSmallAhead) }

func testSmallAhead(t *testing.T) {
	const planes, k = 3, 200
	for _, rows := range []int{1, 2, 5, 13, 24, 37} {
		for _, n := range [][3]int{{0, 129, 129}, {32, 129, 129}, {64, 128, 129}, {0, 112, 112}} {
			t.Run(fmt.Sprint(rows, n), func(t *testing.T) {
				g, r := SelectGemmF32(), rand.New(rand.NewPCG(7, uint64(rows)))
				if g.isa == isaGeneric {
					t.Skip("the portable product has no planes")
				}
				n0, n1, all := n[0], n[1], n[2]
				if n0%g.NR != 0 || n1%g.NR != 0 && n1 != all {
					t.Skip("not a range of panels")
				}
				da, db, dc := k*rows+3, g.PackedSize(all, k), all*rows+2
				require.Greater(t, 4*planes*db, nearBytes)
				a := GemmF32Args{A: randF32(r, 2*da+k*rows), LDA: k, Taps: 1, KC: k, B: make([]float32, planes*db), N: all, LDC: all,
					Bias: randF32(r, all), Min: negInf, Max: posInf}
				want := make([]float32, 2*dc+all*rows)
				for i := range want {
					want[i] = -77
				}
				for p := range planes {
					g.Pack(a.B[p*db:], randF32(r, k*all), all, k, k)
					one := a
					one.A, one.B, one.C = a.A[p*da:], a.B[p*db:], want[p*dc:]
					if p != 1 {
						one.Bias = nil
					}
					g.Run(&one, 0, rows, n0, n1)
				}
				a.A, a.B = atEdge(t, a.A), atEdge(t, a.B)
				cputest.ForEachPath(t, "ahead/", func(t *testing.T) {
					guard, got := newGuarded[float32](len(want), rows%3, -77)
					a.C = got
					for _, a.Hot = range []bool{false, true} {
						clear(got)
						for i, v := range want {
							if v == -77 {
								got[i] = v
							}
						}
						g.runSmall(&a, planes, 1, da, db, dc, rows, n0, n1)
						guard.check(t, got)
						require.Equal(t, want, got)
					}
				})
			})
		}
	}
}

// setAhead switches asking ahead, which pays on some cores, on or off for all forms. It says whether g has it.
func (g *GemmF32) setAhead(t *testing.T, on bool) bool {
	for _, b := range []*bool{&useAheadAVX512, &useAheadAVX2} {
		was := *b
		t.Cleanup(func() { *b = was })
		*b = on
	}
	return g.isa == isaAVX512 || g.isa == isaAVX2
}

func TestAsksAhead(t *testing.T) { cputest.ForEachPath(t, "gemm/", testAsksAhead) }

func testAsksAhead(t *testing.T) {
	g := SelectGemmF32()
	asks := g.setAhead(t, true)
	small, large := &GemmF32Args{Taps: 1, KC: 64}, &GemmF32Args{Taps: 9, KC: 512}
	require.False(t, g.asksAhead(large, 1, 512), "a single row has a kernel of its own")
	require.False(t, g.asksAhead(small, 3136, 64), "weights are soon in a cache, rows are many")
	require.Equal(t, asks, g.asksAhead(small, 49, 64))
	require.Equal(t, asks, g.asksAhead(large, 49, 512))
	require.Equal(t, asks, g.asksAhead(large, 3136, 512))
	hot := *large
	hot.Hot = true
	require.False(t, g.asksAhead(&hot, 49, 512), "weights are in a cache")
	g.setAhead(t, false)
	require.False(t, g.asksAhead(large, 49, 512))
}

// What the next rows are asked for never lies outside of them, and all of it is asked for.
func TestRowsAhead(t *testing.T) {
	const m, n, k, rows = 48, 96, 64, 12
	a := GemmF32Args{A: make([]float32, m*k), LDA: k, Taps: 1, KC: k, N: n, C: make([]float32, m*n), LDC: n, Res: make([]float32, m*n), LDR: n}
	var r rowsAhead
	for _, panels := range []int{3, 6, 17} {
		r.next(&a, 12, 0, rows, 0, n, panels)
		var asked [3]int
		for i := 0; i < panels; {
			var tile tileF32
			same := r.ask(&tile, i)
			j := 0
			for tile.ahead-r.at[j] >= uintptr(r.size[j]) {
				j++
			}
			require.Equal(t, r.at[j], tile.ahead)
			require.InDelta(t, r.size[j], same*tile.by.ahead, float64(same))
			require.InDelta(t, tile.by.ahead, tile.step*k, k)
			asked[j]++
			for range same - 1 { // from further in, too
				var one tileF32
				i++
				tile.ahead += uintptr(tile.by.ahead)
				require.Equal(t, panels, i+r.ask(&one, i)+panels-r.end[j])
				require.Equal(t, tile.ahead, one.ahead)
			}
			i++
		}
		require.Equal(t, [3]int{1, 1, 1}, asked)
	}
	a.LDA, a.LDC, a.LDR = k+1, n+1, n+1
	r.next(&a, 12, 0, rows, 0, n-1, 3)
	tile := tileF32{ahead: 1}
	r.ask(&tile, 0)
	require.Zero(t, tile.ahead, "lines apart")
	a.LDC, a.Rows = n, make([]int32, 4*rows)
	for i := range a.Rows {
		a.Rows[i] = int32(k * (i - rows))
	}
	r.next(&a, 12, 2*rows, rows, 0, n, rows+farPanels)
	for i := range rows {
		require.Equal(t, 1, r.ask(&tile, i))
		require.Equal(t, uintptr(unsafe.Pointer(&a.A[k*(rows+i)])), tile.ahead)
	}
	r.ask(&tile, rows)
	require.Equal(t, r.at[1], tile.ahead, "then the results")
	r.next(&a, 12, 0, rows, 0, n, rows+farPanels)
	r.ask(&tile, 0)
	require.Zero(t, tile.ahead, "padding")
	r.next(&a, 12, 2*rows, rows, 0, n, rows)
	r.ask(&tile, 0)
	require.Equal(t, r.at[1], tile.ahead, "few panels")
	a.Rows = nil
	g := SelectGemmF32()
	require.Equal(t, g.setAhead(t, true), g.asksRows(&a, 1<<14, n))
	require.False(t, g.asksRows(&a, m, n), "in a cache")
}

// Weights from far memory: as many copies as no cache holds are multiplied by in turns.
func BenchmarkGemmF32Far(b *testing.B) {
	for _, c := range [][3]int{{49, 2048, 512}, {49, 512, 2048}, {196, 1024, 256}, {16, 512, 512}} {
		b.Run(fmt.Sprintf("m%dn%dk%d", c[0], c[1], c[2]), func(b *testing.B) {
			cputest.ForEachPathB(b, "ahead/", func(b *testing.B) {
				g := SelectGemmF32()
				m, n, k := c[0], c[1], c[2]
				size := g.PackedSize(n, k)
				weights := make([]float32, max(1, 32<<20/size)*size)
				touch(weights)
				a := GemmF32Args{A: make([]float32, m*k), LDA: k, Taps: 1, KC: k, N: n, LDC: n, Max: noMax, C: make([]float32, m*n)}
				touch(a.A)
				for i := 0; b.Loop(); i++ {
					a.B = weights[i%(len(weights)/size)*size:]
					g.Run(&a, 0, m, 0, n)
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		})
	}
}
