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

func TestStripsLayout(t *testing.T) {
	skipUnless64(t)
	var x stripArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48}, []uintptr{unsafe.Offsetof(x.c), unsafe.Offsetof(x.w), unsafe.Offsetof(x.list),
		unsafe.Offsetof(x.count), unsafe.Offsetof(x.pitch), unsafe.Offsetof(x.width), unsafe.Offsetof(x.step)})
}

// A list names every input that is not zero, in order, or all of them.
func TestFillFactors(t *testing.T) {
	negative := float32(math.Copysign(0, -1))
	nan, least := float32(math.NaN()), math.Float32frombits(1)
	x := []float32{0, 1, negative, -2, nan, 0, least, -least, float32(math.Inf(-1)), 0, 0}
	entry := func(k int, v float32) uint64 { return uint64(k) | uint64(math.Float32bits(v))<<32 }
	want := []uint64{entry(1, 1), entry(3, -2), entry(4, nan), entry(6, least), entry(7, -least), entry(8, float32(math.Inf(-1))), 11, 12, 13, 14}
	guard, list := newGuarded[uint64](Factors(len(x)), 0, 7)
	require.Equal(t, 6, FillFactors(list, x, false))
	require.Equal(t, want, list[:10])
	require.Equal(t, len(x), FillFactors(list, x, true))
	require.Equal(t, entry(2, negative), list[2])
	require.Equal(t, []uint64{entry(10, 0), 11, 12, 13, 14}, list[10:])
	guard.check(t, list)
	require.Zero(t, FillFactors(list, nil, false))
}

// packStrips lays weights [n, k] out as RunStrips wants them.
func packStrips(form Narrow, w, steps []float32, n, k int) []byte {
	b := make([]byte, form.Size()*StripsSize(n, k))
	for c := range n {
		strip := c / StripColumns * StripColumns
		for i, v := range w[c*k:][:k] {
			to := unsafe.Pointer(&b[form.Size()*(strip*k+i*StripWidth(n, c)+c-strip)])
			switch form {
			case NarrowNone:
				*(*float32)(to) = v
			case NarrowI8:
				*(*int8)(to) = int8(math.Round(float64(v / steps[c])))
			default:
				form.put(unsafe.Slice((*uint16)(to), 1), []float32{v})
			}
		}
	}
	return b
}

// Products with weights in strips are those of the same weights in panels, bit for bit, wherever inputs are zero and
// however columns are cut.
func TestStrips(t *testing.T) {
	for _, path := range []string{"gemm/", "strips/"} {
		cputest.ForEachPath(t, path, testStrips)
	}
}

func testStrips(t *testing.T) {
	g := SelectGemmF32()
	for i, c := range [][2]int{{1, 1}, {32, 3}, {33, 4}, {127, 5}, {512, 7}, {513, 8}, {545, 33}, {1000, 64}, {1024, 9}, {1057, 70}} {
		for bits := range 16 {
			form := Narrow((bits + i) % 4)
			t.Run(fmt.Sprint(c, bits), func(t *testing.T) {
				n, k := c[0], c[1]
				cs := g.randomCase(rand.New(rand.NewPCG(3, uint64(bits))), 1, n, 1, k, false, bits&1 != 0, bits&2 != 0, bits&4 != 0)
				steps := make([]float32, (n+StripStep-1)/StripStep*StripStep)
				for i := range steps {
					steps[i] = 0.001 * float32(i%17+1)
				}
				for i, v := range cs.w { // drop what does not fit
					switch form {
					case NarrowF16:
						cs.w[i] = float32(math.Round(float64(v)*512) / 512)
					case NarrowBF16:
						cs.w[i] = math.Float32frombits(math.Float32bits(v) &^ 0xffff)
					case NarrowI8:
						cs.w[i] = steps[i/k] * float32(int8(i*31))
					}
				}
				a := cs.args
				if bits&8 != 0 {
					for i := range k {
						if (i*7+bits)%5 < 3 {
							a.A[i] = 0
						}
					}
				}
				want := make([]float32, n)
				a.B, a.C = make([]float32, g.PackedSize(n, k)), want
				g.Pack(a.B, cs.w, n, k, k)
				g.Run(&a, 0, 1, 0, n)

				list := make([]uint64, Factors(k))
				count := FillFactors(list, a.A[:k], bits == 3)
				w := atEdge(t, packStrips(form, cs.w, steps, n, k))
				guard, out := newGuarded[float32](n, bits%3, -77)
				a.A, a.B, a.C = nil, nil, out
				step := (1 + bits/2) * StripStep
				for from := 0; from < n; from += step {
					g.RunStrips(&a, form, list, count, w, steps, from, min(n, from+step))
				}
				guard.check(t, out)
				check := func() {
					if g.Strips() {
						require.Equal(t, want, out)
						return
					}
					for i, v := range want { // Go may or may not fuse a product and a sum
						require.InDelta(t, v, out[i], 1e-3)
					}
				}
				check()
				clear(out)
				g.RunStrips(&a, form, list, count, w, steps, 0, n)
				check()
			})
		}
	}
}

func TestStripsAllocs(t *testing.T) {
	g := SelectGemmF32()
	a := GemmF32Args{KC: 8, N: 40, C: make([]float32, 40), Min: noMin, Max: noMax}
	list, w, x := make([]uint64, Factors(8)), make([]byte, 4*StripsSize(40, 8)), make([]float32, 8)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		g.RunStrips(&a, NarrowNone, list, FillFactors(list, x, true), w, nil, 0, 40)
	}))
}

// BenchmarkStrips compares with panels, at shares of inputs that are zero.
func BenchmarkStrips(b *testing.B) {
	const n, k = 4096, 4096
	g := SelectGemmF32()
	weights, x := make([]float32, n*k), make([]float32, k)
	for i := range weights { // memory that nobody wrote to is one page of zeros
		weights[i] = 1
	}
	a := GemmF32Args{A: x, LDA: k, Taps: 1, KC: k, B: weights, N: n, C: make([]float32, n), LDC: n, Min: noMin, Max: noMax}
	b.Run("panels", func(b *testing.B) {
		for b.Loop() {
			g.Run(&a, 0, 1, 0, n)
		}
	})
	list := make([]uint64, Factors(k))
	for form := range NarrowI8 + 1 {
		w := packStrips(form, weights, weights, n, k)
		for _, zeros := range []int{0, 50, 90} {
			r := rand.New(rand.NewPCG(1, 2))
			for i := range x {
				if x[i] = 1; r.IntN(100) < zeros {
					x[i] = 0
				}
			}
			b.Run(fmt.Sprint("strips", form, "/", zeros), func(b *testing.B) {
				for b.Loop() {
					g.RunStrips(&a, form, list, FillFactors(list, x, false), w, weights, 0, n)
				}
			})
		}
	}
}
