package kern

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestInterleave(t *testing.T) {
	skipUnless64(t)
	var x interleaveArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 88, 96}, []uintptr{unsafe.Offsetof(x.dst), unsafe.Offsetof(x.src), unsafe.Offsetof(x.order),
		unsafe.Offsetof(x.mats), unsafe.Offsetof(x.cols), unsafe.Offsetof(x.dstStep), unsafe.Offsetof(x.srcStep), unsafe.Offsetof(x.rows),
		unsafe.Offsetof(x.row), unsafe.Offsetof(x.mask), unsafe.Offsetof(x.size)})
	cputest.ForEachPath(t, "interleave/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, size := range []int{1, 4} {
			for rows := 1; rows <= 5; rows++ {
				for cols := 1; cols < 70; cols++ {
					mats, pitch, between := 1+r.IntN(3), cols+r.IntN(5), r.IntN(20)
					step := rows*pitch + r.IntN(9)
					in := atEdge(t, randBytes(r, size*((mats-1)*step+(rows-1)*pitch+cols)))
					guard, dst := newGuarded[byte](size*((mats-1)*(rows*cols+between)+rows*cols), cols%5, 77)
					Interleave(dst, in, size, mats, rows, cols, rows*cols+between, step, pitch)
					guard.check(t, dst)
					for i, got := range dst {
						want, e := byte(77), i/size
						if m, at := e/(rows*cols+between), e%(rows*cols+between); at < rows*cols {
							want = in[size*(m*step+at%rows*pitch+at/rows)+i%size]
						}
						require.Equal(t, want, got, "%d bytes, %d x %d [%d]", size, rows, cols, i)
					}
				}
			}
		}
	})
}
