package kern

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// Matrices of all shapes of a tail, inside of larger ones, of elements of both sizes.
func TestTranspose(t *testing.T) {
	cputest.ForEachPath(t, "pack/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		sizes := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 21, 24, 31, 33, 63, 64, 65, 68, 70, 130}
		for _, rows := range sizes {
			for _, cols := range sizes {
				dp, sp := rows+r.IntN(3), cols+r.IntN(3)
				checkTranspose[uint8](t, r, rows, cols, dp, sp)
				checkTranspose[uint32](t, r, rows, cols, dp, sp)
			}
		}
	})
}

func checkTranspose[T bits](t *testing.T, r *rand.Rand, rows, cols, dstPitch, srcPitch int) {
	src := make([]T, (rows-1)*srcPitch+cols)
	for i := range src {
		src[i] = T(r.Uint64())
	}
	src = atEdge(t, src)
	guard, dst := newGuarded[T]((cols-1)*dstPitch+rows, rows%5, 77)
	want := make([]T, len(dst))
	for i := range want {
		want[i] = 77
		if row := i % dstPitch; row < rows {
			want[i] = src[row*srcPitch+i/dstPitch]
		}
	}
	Transpose(dst, src, rows, cols, dstPitch, srcPitch)
	guard.check(t, dst)
	require.Equal(t, want, dst, "%d rows, %d columns", rows, cols)
}
