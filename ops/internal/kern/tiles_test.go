package kern

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestTiles(t *testing.T) {
	require.Equal(t, []int{10, 10, 10, 10, 9}, heights(evenTiles(12, 49), 12, 49))
	require.Equal(t, []int{12, 12, 3}, heights(Tiles{}, 12, 27))
	for mr := 1; mr <= 16; mr++ {
		for m := 1; m < 300; m++ {
			all := heights(evenTiles(mr, m), mr, m)
			require.Len(t, all, (m+mr-1)/mr)
			require.LessOrEqual(t, all[0], mr)
			require.LessOrEqual(t, all[0]-all[len(all)-1], 1)
		}
	}
}

func TestTilesI8(t *testing.T) {
	require.Equal(t, []int{12, 12, 9, 8, 8}, heights(gemmI8VNNI.Even(49), 12, 49))
	require.Equal(t, []int{9}, heights(gemmI8VNNI.Even(9), 12, 9))
	require.Equal(t, Tiles{}, gemmI8AVX2.Even(49))
	for m := 1; m < 300; m++ {
		all := heights(gemmI8VNNI.Even(m), 12, m)
		require.Len(t, all, (m+11)/12, "a table has no room for more")
		if low := all[len(all)-1]; m >= 36 && m%12 < 7 {
			require.GreaterOrEqual(t, low, 8)
		}
	}
}

func TestGemmI8CutOfOtherRows(t *testing.T) {
	a := GemmI8Args{A: make([]byte, 64), Rows: make([]int32, 60), Zero: make([]byte, 4), Taps: 1, KC: 4, N: 32, B: make([]byte, 128),
		Cols: gemmI8VNNI.Columns(make([]byte, 128), 32, 1, 4, 4, true, nil, nil, []float32{1}, 0, false), C: make([]byte, 49*32), LDC: 32}
	a.Cut = gemmI8VNNI.Even(49)
	require.Panics(t, func() { gemmI8VNNI.Run(&a, 0, 48, 0, 32) })
}

// heights are those of all tiles.
func heights(cut Tiles, mr, m int) (all []int) {
	for i := 0; m > 0; i++ {
		all = append(all, cut.height(i, mr, m))
		m -= all[i]
	}
	if m < 0 {
		panic("more rows than there are")
	}
	return all
}

// Bits do not depend on how rows are cut.
func TestGemmF32Cut(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		cputest.ForEachPath(t, "ahead/", func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 5))
			g := SelectGemmF32()
			for _, m := range []int{1, 2, 7, 11, 12, 13, 16, 25, 37, 49, 75, 100, 169, 196} {
				for _, s := range [][2]int{{5, 19}, {33, 19}, {96, 7}, {64, 700}} { // columns, channels; the last pass a cache
					n, ic := s[0], s[1]
					if ic == 700 && (m < 169 || g.isa == isaGeneric) {
						continue
					}
					w := Window{In: [3]int{1, 1, m}, Out: [3]int{1, 1, m}, Kernel: [3]int{1, 1, 3}, Stride: [3]int{1, 1, 1},
						Dilation: [3]int{1, 1, 1}, Pad: [3]int{0, 0, 1}, Pixel: ic}
					cs := g.randomCase(r, m, n, 3, ic, false, true, true, true)
					a := cs.args
					a.Rows = make([]int32, RowsSize(g.MR, m, 3))
					run := func(cut Tiles) []float32 {
						w.FillRows(a.Rows, g.MR, cut, 0, m)
						guard, out := newGuarded[float32]((m-1)*a.LDC+n, 3, -77)
						a.Cut, a.C = cut, out
						g.Run(&a, 0, m, 0, n)
						guard.check(t, out)
						return out
					}
					require.Equal(t, run(Tiles{}), run(g.Even(m)), "%d rows, %d columns", m, n)
				}
			}
		})
	})
}

func TestGemmF32CutOfOtherRows(t *testing.T) {
	g := SelectGemmF32()
	if g.isa == isaGeneric {
		t.Skip("has no cut")
	}
	a := g.randomCase(rand.New(rand.NewPCG(1, 1)), 49, 8, 1, 8, true, false, false, false).args
	a.Cut, a.C = g.Even(49), make([]float32, 49*a.LDC)
	require.Panics(t, func() { g.Run(&a, 0, 48, 0, 8) })
}
