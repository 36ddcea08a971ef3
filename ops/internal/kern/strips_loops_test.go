package kern

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// The loops compute what stripArgs.run defines, but for roundings that a fused product and sum leaves out.
func TestStripLoops(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := SelectGemmF32()
		if !g.Strips() {
			t.Skip("no loops but the definition")
		}
		const columns, inputs = 2 * StripStep, 9
		r := rand.New(rand.NewPCG(1, 2))
		for _, form := range []Narrow{NarrowNone, NarrowF16, NarrowBF16, NarrowI8} {
			size := form.Size()
			w := make([]byte, size*columns*inputs)
			for i := range columns * inputs {
				at := unsafe.Pointer(&w[size*i])
				switch v := float32(r.IntN(255) - 127); form {
				case NarrowNone:
					*(*float32)(at) = v
				case NarrowI8:
					*(*int8)(at) = int8(v)
				default:
					require.True(t, form.put(unsafe.Slice((*uint16)(at), 1), []float32{v}))
				}
			}
			list := make([]uint64, Factors(inputs))
			count := FillFactors(list, randF32(r, inputs), true)
			steps, start := randF32(r, columns), randF32(r, columns)
			sums := func(run func(a *stripArgs)) []float32 {
				c := append([]float32(nil), start...)
				run(&stripArgs{c: &c[0], w: unsafe.Pointer(&w[0]), list: &list[0], count: count, pitch: size * columns, width: size * columns, step: &steps[0]})
				return c
			}
			want := sums(func(a *stripArgs) { a.run(form) })
			require.InDeltaSlice(t, want, sums(func(a *stripArgs) { g.strips(form, a) }), 5e-5, "form %d", form)
		}
	})
}
