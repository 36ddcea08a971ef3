package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestMaxPoolI8(t *testing.T) {
	skipUnless64(t)
	var x maxI8Tile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72}, []uintptr{
		unsafe.Offsetof(x.dst), unsafe.Offsetof(x.x), unsafe.Offsetof(x.channels), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.cols),
		unsafe.Offsetof(x.rowStride), unsafe.Offsetof(x.colStride), unsafe.Offsetof(x.pixels), unsafe.Offsetof(x.inStep), unsafe.Offsetof(x.outStep)})
	cputest.ForEachPath(t, "maxi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for c := 1; c < 100; c++ {
			for _, signed := range []bool{false, true} {
				a := &MaxI8Args{Signed: signed, C: c, Rows: 1 + r.IntN(4), Cols: 1 + r.IntN(4), Pixels: 1 + r.IntN(3), OutStep: c + r.IntN(4)}
				a.ColStride = c + r.IntN(3)
				a.RowStride = 4*a.ColStride + r.IntN(5)
				a.InStep = a.ColStride * (1 + r.IntN(2))
				in := atEdge(t, randBytes(r, (a.Pixels-1)*a.InStep+(a.Rows-1)*a.RowStride+(a.Cols-1)*a.ColStride+c))
				guard, dst := newGuarded[byte]((a.Pixels-1)*a.OutStep+c, r.IntN(3), 77)
				MaxPoolI8(dst, in, a)
				guard.check(t, dst)
				for i, got := range dst {
					p, ch := i/a.OutStep, i%a.OutStep
					if ch >= c {
						require.Equal(t, byte(77), got)
						continue
					}
					want := int32(-129)
					for row := range a.Rows {
						for col := range a.Cols {
							want = max(want, signedByte(in[p*a.InStep+row*a.RowStride+col*a.ColStride+ch], signed))
						}
					}
					require.Equal(t, want, signedByte(got, signed), "%+v [%d]", *a, i)
				}
			}
		}
	})
}

func BenchmarkMaxPoolI8(b *testing.B) {
	for _, c := range []int{16, 64, 130} {
		for _, path := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/asm=%v", c, path), func(b *testing.B) {
				defer func(was bool) { useMaxI8AVX2 = was }(useMaxI8AVX2)
				useMaxI8AVX2 = useMaxI8AVX2 && path
				in, out := make([]byte, 3*114*c), make([]byte, 55*c)
				a := &MaxI8Args{C: c, Rows: 3, Cols: 3, RowStride: 114 * c, ColStride: c, Pixels: 55, InStep: 2 * c, OutStep: c}
				b.SetBytes(int64(9 * len(out)))
				for b.Loop() {
					MaxPoolI8(out, in, a)
				}
			})
		}
	}
}
