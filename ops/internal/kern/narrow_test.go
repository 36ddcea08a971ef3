package kern

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestNarrowLayout(t *testing.T) {
	skipUnless64(t)
	var x narrowArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32}, []uintptr{unsafe.Offsetof(x.to), unsafe.Offsetof(x.from), unsafe.Offsetof(x.n), unsafe.Offsetof(x.lost), unsafe.Offsetof(x.step)})
}

// Every pattern of 16 bits but those of a signalling NaN comes back, at every length of a tail; a number that 16 bits do not
// hold is noticed wherever it lies.
func TestNarrow(t *testing.T) {
	var lost = map[Narrow][]uint32{
		NarrowF16:  {0x3f800001, 0x3f801000, 0x477ff000, 0x47800000, 0x33000000, 0x33c00000, 0x38800001, 1, 0x80000001, 0x7f801000, 0x7f7fffff},
		NarrowBF16: {0x3f800001, 0x3f808000, 1, 0x80000001, 0x7f808000},
	}
	cputest.ForEachPath(t, "narrow/", func(t *testing.T) {
		put, vector := Narrow.put, 1
		if useNarrowAVX512 || useNarrowAVX2 {
			put, vector = Narrow.Put, 16
		}
		for n, bad := range lost {
			var every []float32
			for h := range 1 << 16 {
				if n == NarrowF16 && h&0x7c00 == 0x7c00 && h&0x3ff != 0 && h&0x200 == 0 {
					continue
				}
				var f [1]float32
				n.widen(f[:], []uint16{uint16(h)})
				every = append(every, f[0])
			}
			for size := vector; size <= len(every); size += (1 + size/9) * vector {
				src := atEdge(t, every[len(every)-size:])
				guard, half := newGuarded[uint16](size, size%5, 777)
				require.True(t, put(n, half, src))
				guard.check(t, half)
				back := make([]float32, size)
				n.widen(back, half)
				for i, v := range src {
					if math.Float32bits(v) != math.Float32bits(back[i]) {
						t.Fatalf("%#x became %#x", math.Float32bits(v), math.Float32bits(back[i]))
					}
				}
			}
			for i, b := range bad {
				for size := vector; size < 80; size += vector {
					src := make([]float32, size)
					src[(i+size*7+i*5)%size] = math.Float32frombits(b)
					require.False(t, put(n, make([]uint16, size), src), "%#x", b)
				}
			}
		}
	})
}

func TestNarrowForm(t *testing.T) {
	require.Equal(t, NarrowNone, gemmF32Generic.Narrow(make([]float32, 3), 1, nil))
	g := SelectGemmF32()
	if g.Narrow(nil, 1, nil) == NarrowNone {
		t.Skip("no products of 16 bits here")
	}
	w := make([]float32, 5000)
	require.Equal(t, NarrowF16, g.Narrow(w, 0, nil))
	w[4999] = 0x1p-30
	require.Equal(t, NarrowBF16, g.Narrow(w, 0, nil))
	w[1] = 1 + 0x1p-9
	require.Equal(t, NarrowNone, g.Narrow(w, 0, nil))
	for n := range 40 {
		w := make([]float32, n+1)
		require.Equal(t, NarrowF16, g.Narrow(w, 0, nil))
		w[n] = 1 + 0x1p-20
		require.Equal(t, NarrowNone, g.Narrow(w, 0, nil))
	}
}

// Integers of 8 bits times a step come back, wherever they are; what is no such product is noticed wherever it lies.
func TestNarrowSteps(t *testing.T) {
	cputest.ForEachPath(t, "narrow/", func(t *testing.T) {
		var steps Steps
		for i := range StepLanes {
			steps.Set(i, float32(i+1)*0x1.23p-9)
		}
		for size := StepLanes; size < 9*StepLanes; size += StepLanes {
			whole := make([]float32, size)
			for i := range whole {
				whole[i] = float32(int8(i*7+size)) * steps[i%StepLanes]
			}
			src := atEdge(t, whole)
			guard, to := newGuarded[int8](size, size/StepLanes%5, 77)
			require.True(t, PutSteps(to, src, &steps))
			guard.check(t, to)
			for i, q := range to {
				require.Equal(t, int8(i*7+size), q)
			}
			for i := range src {
				v := src[i]
				for _, bad := range []float32{v + steps[i%StepLanes]/2, 128 * steps[i%StepLanes], -129 * steps[i%StepLanes],
					float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), float32(math.Copysign(0, -1)), 1e-40, 3e38} {
					src[i] = bad
					require.False(t, PutSteps(to, src, &steps), bad)
				}
				src[i] = v
			}
		}
	})
}

func TestNarrowStepsForm(t *testing.T) {
	g := SelectGemmF32()
	if g.Narrow(nil, 1, nil) == NarrowNone {
		t.Skip("no narrow weights here")
	}
	const rows, k = 5, 1300
	w, steps := make([]float32, rows*k), make([]float32, rows)
	for i := range w[:4*k] { // the last row is all zeros, the third has no integer below 3
		q := int8(i * 13)
		if i/k == 2 && (q == 1 || q == -1 || q == 2 || q == -2) {
			q = 3
		}
		w[i] = float32(q) * float32(i/k+1) * 0x1.2345p-10
	}
	require.Equal(t, NarrowI8, g.Narrow(w, k, steps))
	require.Equal(t, []float32{0x1.2345p-10, 2 * 0x1.2345p-10, 3 * 0x1.2345p-10, 4 * 0x1.2345p-10, 1}, steps)
	for _, at := range []int{0, 1023, 1024, 1299, 3*k + 77, 4*k - 1} {
		v := w[at]
		w[at] = 0.1
		require.Equal(t, NarrowNone, g.Narrow(w, k, steps), at)
		w[at] = v
	}
}
