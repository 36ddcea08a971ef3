package kern

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestAddWordsLayout(t *testing.T) {
	var x addWords
	require.Equal(t, []uintptr{0, 192, 384, 448, 512, 576, 640, 704}, []uintptr{
		unsafe.Offsetof(x.digits), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.shift), unsafe.Offsetof(x.flipX), unsafe.Offsetof(x.flipY),
		unsafe.Offsetof(x.lo), unsafe.Offsetof(x.hi), unsafe.Offsetof(x.out)})
}

// plain is the definition for one pair.
func (a *AddI8Args) plain(x, y byte) byte {
	v := (a.Bias+signedByte(x, a.XSigned)*a.MX+signedByte(y, a.YSigned)*a.MY)>>a.Shift + a.Zero
	return byte(min(max(v, a.Lo), a.Hi))
}

// randAdd is an addition as binaryInt makes them, or now and then one with any bias at all.
func randAdd(r *rand.Rand, xs, ys bool) AddI8Args {
	a := AddI8Args{XSigned: xs, YSigned: ys, Shift: uint(13 + r.IntN(11)), Hi: 255}
	scale := [2]float64{1 << 20, 1 << 20}
	scale[r.IntN(2)] *= []float64{0.01, 0.5, 1, 1}[r.IntN(4)]
	a.MX, a.MY = int32(scale[0]*(1+r.Float64())), int32(scale[1]*(1+r.Float64()))
	if r.IntN(8) == 0 {
		a.MX, a.MY = 1<<21, 1<<21
	}
	if r.IntN(2) == 0 {
		a.Lo, a.Hi = -128, 127
	}
	a.Zero = a.Lo + []int32{0, 0, 128, 255, int32(r.IntN(256))}[r.IntN(5)]
	zero := func(signed bool) int32 { return signedByte(byte(r.Uint32()), signed) }
	a.Bias = 1<<(a.Shift-1) - a.MX*zero(xs) - a.MY*zero(ys)
	switch r.IntN(8) {
	case 0:
		a.Lo += int32(r.IntN(20))
	case 1:
		a.Hi -= int32(r.IntN(20))
	case 2:
		a.MY = -a.MY
	case 3:
		a.Bias = int32(r.Uint32())
	}
	return a
}

// TestAddI8Usual is for constants as binaryInt makes them.
func TestAddI8Usual(t *testing.T) {
	cputest.ForEachPath(t, "veci8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for n := range 200 {
			for bits := range 4 {
				a := randAdd(r, bits&1 != 0, bits&2 != 0)
				a.Prepare()
				x, y := atEdge(t, randBytes(r, n)), atEdge(t, randBytes(r, n))
				guard, dst := newGuarded[byte](n, n%3, 77)
				AddI8(dst, x, y, &a)
				if n > 0 {
					guard.check(t, dst)
				}
				for i, got := range dst {
					require.Equal(t, a.plain(x[i], y[i]), got, "n=%d [%d] %+v", n, i, a)
				}
			}
		}
	})
}

// TestAddI8All: all pairs of bytes, for some additions of the usual kind.
func TestAddI8All(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	x, y, dst := make([]byte, 1<<16), make([]byte, 1<<16), make([]byte, 1<<16)
	for i := range x {
		x[i], y[i] = byte(i), byte(i>>8)
	}
	words := 0
	for n := range 64 {
		a := randAdd(r, n&1 != 0, n&2 != 0)
		if a.Prepare(); a.words != nil {
			words++
		}
		AddI8(dst, x, y, &a)
		for i, got := range dst {
			if want := a.plain(x[i], y[i]); want != got {
				t.Fatalf("%d and %d: %d, want %d: %+v", x[i], y[i], got, want, a)
			}
		}
	}
	require.Greater(t, words, 24)
}

// TestAddI8 is for constants at the ends of what 16-bit numbers take, and beyond.
func TestAddI8(t *testing.T) {
	cputest.ForEachPath(t, "veci8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		ms := []int32{0, 1, -1, 127, 128, -128, -129, 1<<21 - 1, -1 << 21, 1<<22 - 1, -1 << 22, 1 << 22, -1<<22 - 1, math.MaxInt32, math.MinInt32}
		for range 1000 {
			n := r.IntN(200)
			x, y := atEdge(t, randBytes(r, n)), atEdge(t, randBytes(r, n))
			for i := range x {
				if i%5 == 0 {
					x[i], y[i] = byte(r.IntN(2)*255), byte(r.IntN(2)*255)
				}
			}
			a := AddI8Args{XSigned: r.IntN(2) == 0, YSigned: r.IntN(2) == 0, MX: ms[r.IntN(len(ms))], MY: ms[r.IntN(len(ms))],
				Bias: int32(r.Uint32()) >> r.IntN(20), Shift: uint(r.IntN(30)), Lo: int32(r.IntN(100)), Hi: 255}
			if r.IntN(2) == 0 {
				a.Lo, a.Hi = -128+int32(r.IntN(100)), 127
			}
			a.Zero = a.Hi - int32(r.IntN(256))
			a.Prepare()
			want := make([]byte, n)
			for i := range want {
				want[i] = a.plain(x[i], y[i])
			}
			guard, dst := newGuarded[byte](n, n%3, 77)
			AddI8(dst, x, y, &a)
			if n > 0 {
				guard.check(t, dst)
			}
			require.Equal(t, want, dst, "%+v", a)
			AddI8(x, x, y, &a) // in place
			require.Equal(t, want, x, "%+v", a)
		}
	})
}

func BenchmarkAddI8(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y, dst := randBytes(r, 1<<14), randBytes(r, 1<<14), make([]byte, 1<<14)
	a := AddI8Args{MX: 1 << 20, MY: 1<<21 - 3, Bias: 1 << 19, Shift: 21, Hi: 255}
	a.Prepare()
	cputest.ForEachPathB(b, "veci8/", func(b *testing.B) {
		b.SetBytes(1 << 14)
		for b.Loop() {
			AddI8(dst, x, y, &a)
		}
	})
}
