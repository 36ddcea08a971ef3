package kern

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestSumsI8(t *testing.T) {
	skipUnless64(t)
	var x sumsI8Tile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32}, []uintptr{
		unsafe.Offsetof(x.x), unsafe.Offsetof(x.n), unsafe.Offsetof(x.flip), unsafe.Offsetof(x.up), unsafe.Offsetof(x.size)})
	cputest.ForEachPath(t, "sumsi8/", testSumsI8)
}

func testSumsI8(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for n := range 3000 {
		if n > 100 {
			n += r.IntN(4000)
		}
		w := atEdge(t, randBytes(r, n))
		if n%3 == 0 { // the most that lanes hold
			for i := range w {
				w[i] = byte(n % 2 * 0x80)
			}
		}
		for _, signed := range []bool{false, true} {
			var sum, size int64
			for _, v := range w {
				x := int64(int8(v))
				if !signed {
					x = int64(v) - 128
				}
				sum, size = sum+x, size+max(x, -x)
			}
			s, m := sumsI8(w, signed)
			require.Equal(t, []int64{sum, size}, []int64{s, m}, "n=%d", n)
		}
	}
}
