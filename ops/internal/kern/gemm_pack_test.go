package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestPackColumns(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 8 {
		var x packTile
		require.Equal(t, []uintptr{0, 8, 16, 24, 32}, []uintptr{unsafe.Offsetof(x.dst), unsafe.Offsetof(x.src), unsafe.Offsetof(x.ld),
			unsafe.Offsetof(x.width), unsafe.Offsetof(x.groups)})
		var y winoPack
		require.Equal(t, []uintptr{0, 8, 16, 24, 32}, []uintptr{unsafe.Offsetof(y.dst), unsafe.Offsetof(y.src), unsafe.Offsetof(y.plane),
			unsafe.Offsetof(y.tap), unsafe.Offsetof(y.n)})
	}
	cputest.ForEachPath(t, "pack/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, width := range []int{4, 8, 16, 32} {
			for have := 1; have <= width; have++ {
				for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 13, 20} {
					ld := k + r.IntN(3)
					src := atEdge(t, randF32(r, have*ld-(ld-k)))
					guard, dst := newGuarded[float32]((k-1)*width+have, have, -77)
					packColumns(dst, src, width, have, k, ld)
					guard.check(t, dst)
					for i, v := range dst {
						p, c := i/width, i%width
						want := float32(-77)
						if c < have {
							want = src[c*ld+p]
						}
						require.Equal(t, want, v, "width %d, column %d of %d, row %d of %d", width, c, have, p, k)
					}
				}
			}
		}
	})
}

// Assembly transforms weights to the very bits of the definition.
func TestWinogradWeights(t *testing.T) {
	cputest.ForEachPath(t, "winograd/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, m := range []int{2, 4} {
			planes := (m + 2) * (m + 2)
			for n := 1; n < 80; n++ {
				size := n + r.IntN(5)
				src := atEdge(t, randF32(r, 9*n))
				guard, dst := newGuarded[float32]((planes-1)*size+n, n, -77)
				winoWeights(m, dst, src, size)
				guard.check(t, dst)
				want := make([]float32, len(dst))
				for i := range want {
					want[i] = -77
				}
				for c := range n {
					winoWeightsGeneric(m, want[c:], src[c:], size, n)
				}
				require.Equal(t, want, dst)
			}
		}
	})
}

func BenchmarkPack(b *testing.B) {
	const n, k = 512, 4608
	r := rand.New(rand.NewPCG(1, 2))
	src := randF32(r, n*k)
	g := SelectGemmF32()
	dst := make([]float32, g.PackedSize(n, k))
	run := func(b *testing.B, name string, out int, f func()) {
		for _, asm := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/asm=%v", name, asm), func(b *testing.B) {
				for _, p := range []string{"pack/avx512", "pack/avx2", "winograd/avx512", "winograd/avx2"} {
					defer cpu.Set(p, asm)()
				}
				b.SetBytes(int64(out))
				for b.Loop() {
					f()
				}
			})
		}
	}
	run(b, "columns", 4*len(dst), func() { g.Pack(dst, src, n, k, k) })
	for _, m := range []int{2, 4} {
		w := &WinogradF32{M: m, N: 1, H: 14, W: 14, OH: 14, OW: 14, IC: 512, OC: 512, PT: 1, PL: 1}
		w.Plan()
		to, tmp := make([]float32, w.PackedSize()), make([]float32, w.PackScratch())
		run(b, fmt.Sprintf("winograd%d", m), 4*len(to), func() {
			for j := 0; j < n; j += g.NR {
				w.Pack(to, src[j*k:], j, g.NR, tmp)
			}
		})
	}
}
