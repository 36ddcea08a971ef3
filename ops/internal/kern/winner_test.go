package kern

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestWinnerLayout(t *testing.T) {
	skipUnless64(t)
	var x winnerArgs
	var tap Tap
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 8, 16}, []uintptr{
		unsafe.Offsetof(x.x), unsafe.Offsetof(x.y), unsafe.Offsetof(x.won), unsafe.Offsetof(x.taps), unsafe.Offsetof(x.count),
		unsafe.Offsetof(x.n), unsafe.Offsetof(tap.No), unsafe.Sizeof(tap)})
}

// Both loops against their definition, bit for bit, for all tails, any taps, ties, NaNs and memory behind the ends.
func TestWinners(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n <= 150; n += 1 + n/20 {
			for _, taps := range []int{1, 2, 3, 9} {
				x := atEdge(t, randF32(r, taps*n+20))
				for i := range x {
					switch r.IntN(9) {
					case 0:
						x[i] = 0.5 // ties
					case 1:
						x[i] = float32(math.Inf(1 - 2*r.IntN(2)))
					case 2:
						x[i] = float32(math.NaN())
					}
				}
				w := Winners{X: x, N: n}
				for i, place := range r.Perm(taps) { // taps see pixels of their own
					w.Taps = append(w.Taps, Tap{At: place*n + 20, No: 3*i + r.IntN(3) + 200})
				}
				want := w
				want.Y, want.Won = make([]float32, n), make([]byte, n)
				want.pickGeneric(0)
				gy, y := newGuarded[float32](n, n, -77)
				gw, won := newGuarded[byte](n, n, 7)
				w.Y, w.Won = y, won
				w.Pick()
				gy.check(t, y)
				gw.check(t, won)
				require.Equal(t, want.Won, won)
				for i := range y {
					require.Equal(t, math.Float32bits(want.Y[i]), math.Float32bits(y[i]))
				}

				start := randF32(r, len(x))
				want.X, want.Y = slices.Clone(start), atEdge(t, randF32(r, n))
				gx, dx := newGuarded[float32](len(x), n, -77)
				copy(dx, start)
				w.X, w.Y, w.Won = dx, want.Y, atEdge(t, won)
				want.addGeneric(0)
				w.Add()
				gx.check(t, dx)
				require.Equal(t, want.X, dx)
			}
		}
		w := Winners{X: make([]float32, 9), Y: make([]float32, 5), Won: make([]byte, 5), Taps: []Tap{{4, 0}}, N: 5}
		require.Zero(t, testing.AllocsPerRun(2, w.Pick))
		require.Zero(t, testing.AllocsPerRun(2, w.Add))
		w.Taps[0].At = 5
		require.Panics(t, w.Pick)
		w.Taps[0].At, w.Won = 4, w.Won[:4]
		require.Panics(t, w.Add)
	})
}
