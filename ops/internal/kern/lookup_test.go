package kern

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestLookup(t *testing.T) {
	skipUnless64(t)
	var x lookupArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48}, []uintptr{unsafe.Offsetof(x.dst), unsafe.Offsetof(x.src), unsafe.Offsetof(x.table),
		unsafe.Offsetof(x.rows), unsafe.Offsetof(x.n), unsafe.Offsetof(x.dstPitch), unsafe.Offsetof(x.srcPitch)})
	cputest.ForEachPath(t, "lookup/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		table := (*[256]byte)(atEdge(t, randBytes(r, 256)))
		for n := 1; n < 260; n++ {
			rows, more, between := 1+n%3, r.IntN(3), r.IntN(70)
			in := atEdge(t, randBytes(r, (rows-1)*(n+more)+n))
			guard, dst := newGuarded[byte]((rows-1)*(n+between)+n, n%5, 77)
			Lookup(dst, in, table, rows, n, n+between, n+more)
			guard.check(t, dst)
			for i, got := range dst {
				want := byte(77)
				if row, col := i/(n+between), i%(n+between); col < n {
					want = table[in[row*(n+more)+col]]
				}
				require.Equal(t, want, got, "n=%d [%d]", n, i)
			}
			in = in[:n]
			want := make([]byte, n)
			for i, b := range in {
				want[i] = table[b]
			}
			Lookup(in, in, table, 1, n, 0, 0)
			require.Equal(t, want, in)
		}
	})
}
