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

func TestWinoTrainLayout(t *testing.T) {
	skipUnless64(t)
	var x winoFilterTile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64}, []uintptr{
		unsafe.Offsetof(x.taps), unsafe.Offsetof(x.planes), unsafe.Offsetof(x.tap), unsafe.Offsetof(x.plane), unsafe.Offsetof(x.rows),
		unsafe.Offsetof(x.tapRow), unsafe.Offsetof(x.planeRow), unsafe.Offsetof(x.n), unsafe.Offsetof(x.g)})
}

// The transforms of weights against G in float64, turned round and not.
func TestWinoFilter(t *testing.T) {
	cputest.ForEachPath(t, "winograd/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{1, 5, 8, 16, 17, 31, 32, 40} {
			for _, turned := range []bool{false, true} {
				rows := 1 + r.IntN(3)
				f := Filter4{Rows: rows, N: n, Tap: n + r.IntN(3), Plane: rows*n + r.IntN(5), PlaneRow: n}
				f.TapRow = 9*f.Tap + r.IntN(3)
				weights := randF32(r, (rows-1)*f.TapRow+8*f.Tap+n)
				tap := f.Tap
				if turned {
					f.Tap = -tap
				}
				at := func(row, t, c int) int {
					if turned {
						t = 8 - t
					}
					return row*f.TapRow + t*tap + c
				}
				for j := range winoColumns {
					f.Weights = atEdge(t, weights)
					guard, planes := newGuarded[float32]((rows-1)*f.PlaneRow+5*f.Plane+n, n, -77)
					f.Columns = planes
					f.Transform(j)
					guard.check(t, planes)
					for row := range rows {
						for i := range 6 {
							for c := range n {
								want := 0.0
								for k := range 9 {
									want += float64(winoGAt(i, k/3)) * float64(winoGAt(j, k%3)) * float64(weights[at(row, k, c)])
								}
								require.InDelta(t, want, planes[i*f.Plane+row*f.PlaneRow+c], 1e-6, "%v column %d", f, j)
							}
						}
					}
					f.Columns = atEdge(t, randF32(r, len(planes)))
					guard, sums := newGuarded[float32](len(weights), n, -77)
					copy(sums, weights)
					f.Weights = sums
					f.Gather(j)
					guard.check(t, sums)
					for row := range rows {
						for k := range 9 {
							for c := range n {
								want := float64(weights[at(row, k, c)])
								for i := range 6 {
									want += float64(winoGAt(i, k/3)) * float64(winoGAt(j, k%3)) * float64(f.Columns[i*f.Plane+row*f.PlaneRow+c])
								}
								require.InDelta(t, want, sums[at(row, k, c)], 1e-6)
							}
						}
					}
				}
			}
		}
	})
}

// The whole gradient of the weights against the definition, whatever the sizes.
func TestWinoSpread(t *testing.T) {
	cputest.ForEachPath(t, "winograd/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i, c := range [][6]int{{1, 8, 8, 16, 16, 1}, {2, 7, 9, 5, 7, 1}, {1, 14, 14, 40, 33, 1}, {3, 6, 5, 17, 8, 0}, {1, 3, 3, 64, 3, 1}} {
			k, a, _ := winoRandom(r, 4, c[0], c[1], c[2], c[3], c[4], c[5])
			k.Tiles = k.Total()
			k.InPixel = k.IC
			x := randF32(r, k.N*k.H*k.W*k.IC)
			a.In = atEdge(t, x)
			d := randF32(r, k.N*k.OH*k.OW*k.OC)
			scratch := make([]float32, k.ScratchSize())
			k.Input(a, scratch, 0, 0, k.Tiles)
			pitch := k.OC + i
			stride := k.Tiles*pitch + i
			guard, planes := newGuarded[float32](35*stride+(k.Tiles-1)*pitch+k.OC, i, -77)
			k.Spread(atEdge(t, d), planes, stride, pitch, 0, 0, k.Tiles/2)
			k.Spread(atEdge(t, d), planes, stride, pitch, 0, k.Tiles/2, k.Tiles)
			guard.check(t, planes)
			sums := make([]float32, 36*k.OC*k.IC)
			for p := range 36 {
				g := GemmTNArgs{A: planes[p*stride:], LDA: pitch, B: scratch[p*k.stride(k.IC):], LDB: k.IC, K: k.Tiles, M: k.OC, N: k.IC, C: sums[p*k.OC*k.IC:], LDC: k.IC}
				g.Run(0, k.OC, 0, k.IC)
			}
			got := make([]float32, k.OC*9*k.IC)
			for j := range winoColumns {
				f := Filter4{Rows: k.OC, N: k.IC, Tap: k.IC, TapRow: 9 * k.IC, Plane: k.OC * k.IC, PlaneRow: k.IC, Weights: got, Columns: sums[6*j*k.OC*k.IC:]}
				f.Gather(j)
			}
			var err, norm float64
			for o := range k.OC {
				for tap := range 9 {
					for c := range k.IC {
						want := 0.0
						for p := range k.N * k.OH * k.OW {
							img, y, x0 := p/(k.OH*k.OW), p/k.OW%k.OH-k.PT+tap/3, p%k.OW-k.PL+tap%3
							if y >= 0 && x0 >= 0 && y < k.H && x0 < k.W {
								want += float64(d[p*k.OC+o]) * float64(x[((img*k.H+y)*k.W+x0)*k.IC+c])
							}
						}
						e := want - float64(got[(9*o+tap)*k.IC+c])
						err += e * e
						norm += want * want
					}
				}
			}
			require.Less(t, math.Sqrt(err/norm), 1e-5, fmt.Sprint(c))
		}
	})
}
