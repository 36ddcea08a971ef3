package kern

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestVecI8Layout(t *testing.T) {
	skipUnless64(t)
	var x vecI8Args
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80}, []uintptr{
		unsafe.Offsetof(x.dst), unsafe.Offsetof(x.x), unsafe.Offsetof(x.y), unsafe.Offsetof(x.n), unsafe.Offsetof(x.mx), unsafe.Offsetof(x.my),
		unsafe.Offsetof(x.bias), unsafe.Offsetof(x.shift), unsafe.Offsetof(x.zero), unsafe.Offsetof(x.lo), unsafe.Offsetof(x.hi),
		unsafe.Offsetof(x.flipX), unsafe.Offsetof(x.flipY), unsafe.Offsetof(x.scale), unsafe.Offsetof(x.flo), unsafe.Offsetof(x.fhi), unsafe.Offsetof(x.words)})
}

func TestVecI8(t *testing.T) {
	cputest.ForEachPath(t, "veci8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 100 {
			for bits := range 8 {
				testVecI8(t, r, n, bits&1 != 0, bits&2 != 0, bits&4 != 0)
			}
		}
	})
}

func testVecI8(t *testing.T, r *rand.Rand, n int, xs, ys, os bool) {
	x, y := atEdge(t, randBytes(r, n)), atEdge(t, randBytes(r, n))
	lo, hi := int32(0), int32(255)
	if os {
		lo, hi = -128, 127
	}
	zero := lo + int32(r.IntN(256))
	check := func(f func(dst []byte), want func(i int) byte) {
		guard, dst := newGuarded[byte](n, n%3, 77)
		f(dst)
		if n > 0 {
			guard.check(t, dst)
		}
		for i, got := range dst {
			require.Equal(t, want(i), got, "n=%d [%d]", n, i)
		}
	}
	mul := MulI8Args{XSigned: xs, YSigned: ys, XZero: signedByte(byte(r.Uint32()), xs), YZero: signedByte(byte(r.Uint32()), ys), Scale: r.Float32() * 0.02,
		Zero: zero, Lo: lo, Hi: hi - 1}
	check(func(dst []byte) { MulI8(dst, x, y, &mul) }, func(i int) byte {
		return requantI8((signedByte(x[i], xs)-mul.XZero)*(signedByte(y[i], ys)-mul.YZero), mul.Scale, zero, mul.Lo, mul.Hi)
	})
	f := randF32(r, n)
	if n > 3 {
		f[0], f[1], f[2] = noMax, noMin, float32(math.NaN())
	}
	check(func(dst []byte) { QuantizeI8(dst, f, 0.01, zero, lo, hi) }, func(i int) byte { return roundI8(f[i]/0.01, zero, lo, hi) })
	floats := make([]float32, n)
	DequantizeI8(floats, x, xs, 0.3, zero)
	sums := make([]int32, n)
	AccumulateI8(sums, x, xs, zero)
	AccumulateI8(sums, y, xs, 1)
	top := append([]byte(nil), x...)
	MaxI8(top, y, xs)
	for i := range n {
		require.Equal(t, float32(signedByte(x[i], xs)-zero)*0.3, floats[i])
		require.Equal(t, signedByte(x[i], xs)-zero+signedByte(y[i], xs)-1, sums[i])
		require.Equal(t, max(signedByte(x[i], xs), signedByte(y[i], xs)), signedByte(top[i], xs))
	}
	check(func(dst []byte) { RequantizeI8(dst, sums, 0.1, zero, lo, hi) }, func(i int) byte { return requantI8(sums[i], 0.1, zero, lo, hi) })
}

// TestMaxI8All compares every pair of bytes, eight different ones at a time.
func TestMaxI8All(t *testing.T) {
	for _, signed := range []bool{false, true} {
		a, b := make([]byte, 1<<16), make([]byte, 1<<16)
		for i := range a {
			a[i], b[i] = byte(i*37), byte(i>>8)
		}
		got := append([]byte(nil), a...)
		MaxI8(got, b, signed)
		for i := range got {
			if signedByte(got[i], signed) != max(signedByte(a[i], signed), signedByte(b[i], signed)) {
				t.Fatalf("max(%d, %d) = %d, signed %v", a[i], b[i], got[i], signed)
			}
		}
	}
}

// TestQuantizeI8Ties: quotients at and beside what is halfway between two results, by scales of all sizes, are rounded as
// division rounds.
func TestQuantizeI8Ties(t *testing.T) {
	cputest.ForEachPath(t, "veci8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		x, dst := make([]float32, 4*512), make([]byte, 4*512)
		for i := range 3000 {
			scale := float32(math.Ldexp(1+r.Float64(), r.IntN(20)-18))
			if i%10 == 0 {
				scale = float32(math.Ldexp(1+r.Float64(), r.IntN(270)-140))
			}
			zero := int32(r.IntN(256))
			for j := range x {
				v := float32(float64(scale) * (float64(j/4) - 256 + 0.5))
				for range r.IntN(3) {
					v = math.Nextafter32(v, float32(math.Inf(2*r.IntN(2)-1)))
				}
				x[j] = v
			}
			copy(x, []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 0, noMax, noMin, 1e-45, -1e-45})
			QuantizeI8(dst, x, scale, zero, 0, 255)
			for j, got := range dst {
				if want := roundI8(x[j]/scale, zero, 0, 255); got != want {
					t.Fatalf("%v / %v: %d, want %d", x[j], scale, got, want)
				}
			}
		}
	})
}
