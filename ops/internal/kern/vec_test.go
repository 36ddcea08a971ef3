package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestVecLayout(t *testing.T) {
	skipUnless64(t)
	var x vecArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 36, 40, 48, 52, 56}, []uintptr{
		unsafe.Offsetof(x.dst), unsafe.Offsetof(x.x), unsafe.Offsetof(x.y), unsafe.Offsetof(x.n), unsafe.Offsetof(x.p0),
		unsafe.Offsetof(x.p1), unsafe.Offsetof(x.p2), unsafe.Offsetof(x.lo), unsafe.Offsetof(x.hi), unsafe.Offsetof(x.z)})
}

// withBase runs f with all vector paths off.
func withBase(f func()) {
	for _, n := range []string{"vec/avx512", "vec/avx2", "vec/neon"} {
		defer cpu.Set(n, false)()
	}
	f()
}

func ulps(a, b float32) int64 {
	if a == b || a != a && b != b {
		return 0
	}
	if a != a || b != b {
		return math.MaxInt64
	}
	order := func(v float32) int64 {
		i := int64(int32(math.Float32bits(v)))
		if i < 0 {
			i = math.MinInt32 - i
		}
		return i
	}
	d := order(a) - order(b)
	return max(d, -d)
}

// vecFuncs are all loops that map elements, each with the error it may have against the portable form.
var vecFuncs = []struct {
	name string
	ulp  int64
	f    func(dst, x, y, z []float32)
}{
	{"add", 0, func(d, x, y, z []float32) { BinaryF32(Add, d, x, y, noMin, noMax) }},
	{"add relu", 0, func(d, x, y, z []float32) { BinaryF32(Add, d, x, y, 0, 0.5) }},
	{"sub", 0, func(d, x, y, z []float32) { BinaryF32(Sub, d, x, y, noMin, noMax) }},
	{"rsub", 0, func(d, x, y, z []float32) { BinaryF32(RSub, d, x, y, noMin, noMax) }},
	{"mul", 0, func(d, x, y, z []float32) { BinaryF32(Mul, d, x, y, noMin, noMax) }},
	{"div", 0, func(d, x, y, z []float32) { BinaryF32(Div, d, x, y, noMin, noMax) }},
	{"rdiv", 0, func(d, x, y, z []float32) { BinaryF32(RDiv, d, x, y, noMin, noMax) }},
	{"max", 0, func(d, x, y, z []float32) { BinaryF32(Max, d, x, y, noMin, noMax) }},
	{"min", 0, func(d, x, y, z []float32) { BinaryF32(Min, d, x, y, noMin, noMax) }},
	{"adds", 0, func(d, x, y, z []float32) { BinaryScalarF32(Add, d, x, 0.3, noMin, noMax) }},
	{"subs", 0, func(d, x, y, z []float32) { BinaryScalarF32(Sub, d, x, 0.3, noMin, noMax) }},
	{"rsubs", 0, func(d, x, y, z []float32) { BinaryScalarF32(RSub, d, x, 0.3, noMin, noMax) }},
	{"muls", 0, func(d, x, y, z []float32) { BinaryScalarF32(Mul, d, x, 0.3, -0.1, 0.1) }},
	{"divs", 0, func(d, x, y, z []float32) { BinaryScalarF32(Div, d, x, 0.3, noMin, noMax) }},
	{"rdivs", 0, func(d, x, y, z []float32) { BinaryScalarF32(RDiv, d, x, 0.3, noMin, noMax) }},
	{"maxs", 0, func(d, x, y, z []float32) { BinaryScalarF32(Max, d, x, 0.3, noMin, noMax) }},
	{"mins", 0, func(d, x, y, z []float32) { BinaryScalarF32(Min, d, x, 0.3, noMin, noMax) }},
	{"clamp", 0, func(d, x, y, z []float32) { ClampF32(d, x, -0.2, 0.6) }},
	{"scaleshift", -1, func(d, x, y, z []float32) { ScaleShiftF32(d, x, y, z, -1, noMax) }},
	{"axpy", -1, func(d, x, y, z []float32) { copy(d, y); AxpyF32(d, x, 0.3, 0.7) }},
	{"leaky", 0, func(d, x, y, z []float32) { LeakyReluF32(d, x, 0.1) }},
	{"hardsigmoid", 0, func(d, x, y, z []float32) { HardSigmoidF32(d, x, 0.5, 0.4) }},
	{"hardswish", 0, func(d, x, y, z []float32) { HardSwishF32(d, x, 0.5, 0.4) }},
	{"exp", 2, func(d, x, y, z []float32) { ExpF32(d, x) }},
	{"sigmoid", 4, func(d, x, y, z []float32) { SigmoidF32(d, x) }},
	{"swish", 4, func(d, x, y, z []float32) { SwishF32(d, x) }},
	{"tanh", 3, func(d, x, y, z []float32) { TanhF32(d, x) }},
	{"sqrt", 0, func(d, x, y, z []float32) { SqrtF32(d, x) }},
	{"sgd w", -1, func(d, x, y, z []float32) {
		v := append([]float32(nil), z...)
		copy(d, y)
		(&SGDF32{0.1, 0.9, 0.01, 0.5, 0.99}).Step(d, x, v)
	}},
	{"sgd v", -1, func(d, x, y, z []float32) {
		w := append([]float32(nil), y...)
		copy(d, z)
		(&SGDF32{0.1, 0.9, 0.01, 0.5, 0.99}).Step(w, x, d)
	}},
	{"mask", 0, func(d, x, y, z []float32) { copy(d, x); MaskF32(d, y, -0.2, 0.6) }},
	{"mask relu", 0, func(d, x, y, z []float32) { copy(d, y); MaskF32(d, x, 0, noMax) }},
	{"add masked", 0, func(d, x, y, z []float32) { copy(d, z); AddMaskedF32(d, y, x, -0.2, 0.6) }},
	{"round", 0, func(d, x, y, z []float32) { scaled(d, x, 100); RoundF32(ToEven, d, d) }},
	{"floor", 0, func(d, x, y, z []float32) { scaled(d, x, 100); RoundF32(Down, d, d) }},
	{"ceil", 0, func(d, x, y, z []float32) { scaled(d, x, 1e9); RoundF32(Up, d, d) }},
	{"abs", 0, func(d, x, y, z []float32) { AbsF32(d, x) }},
	{"erf", 8, func(d, x, y, z []float32) { scaled(d, x, 3); ErfF32(d, d) }},
	{"sin", 3, func(d, x, y, z []float32) { scaled(d, x, 30); SinF32(0, d, d) }},
	{"cos", 3, func(d, x, y, z []float32) { scaled(d, x, 30); SinF32(1, d, d) }},
	{"-sin", 3, func(d, x, y, z []float32) { SinF32(2, d, x) }},
	{"-cos", 3, func(d, x, y, z []float32) { SinF32(3, d, x) }},
	{"larger", 0, func(d, x, y, z []float32) { copy(d, y); LargerF32(make([]uint32, len(d)), d, x, 7) }},
	{"larger at", 0, func(d, x, y, z []float32) {
		at := make([]uint32, len(d))
		LargerF32(at, append([]float32(nil), y...), x, 7)
		for i, v := range at {
			d[i] = float32(v)
		}
	}},
	{"where", 0, func(d, x, y, z []float32) {
		c := make([]byte, len(d))
		CompareF32(Less, c, z, x)
		WhereF32(d, c, x, y)
	}},
	{"less", 0, func(d, x, y, z []float32) { compareTo(Less, d, x, y) }},
	{"at most", 0, func(d, x, y, z []float32) { compareTo(AtMost, d, x, y) }},
	{"equal", 0, func(d, x, y, z []float32) { compareTo(Equal, d, x, x) }},
	{"different", 0, func(d, x, y, z []float32) { compareTo(Different, d, x, y) }},
	{"softmax", -1, func(d, x, y, z []float32) { SoftmaxF32(d, x, 1) }},
	{"softmax beta", -1, func(d, x, y, z []float32) { SoftmaxF32(d, x, 2) }},
}

// compareTo sets d to CompareF32's bytes.
func compareTo(c Comparison, d, x, y []float32) {
	b := slices.Repeat([]byte{77}, len(d)+33)
	CompareF32(c, b[1:1+len(d)], x, y)
	for i, v := range b[1 : 1+len(d)] {
		d[i] = float32(v)
	}
	if b[0] != 77 || slices.ContainsFunc(b[1+len(d):], func(v byte) bool { return v != 77 }) {
		panic("wrote outside of its result")
	}
}

// scaled sets d to x times s.
func scaled(d, x []float32, s float32) {
	for i, v := range x {
		d[i] = s * v
	}
}

func TestVecMaps(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 100 {
			x, y, z := randF32(r, n), randF32(r, n), randF32(r, n)
			if n > 5 {
				x[n/2], y[n/3], x[n/4], x[n/5] = float32(math.NaN()), float32(math.NaN()), float32(math.Copysign(0, -1)), noMax
			}
			x, y, z = atEdge(t, x), atEdge(t, y), atEdge(t, z)
			for _, f := range vecFuncs {
				if f.name == "softmax" && n > 5 {
					x[n/2], x[n/5] = 0.5, -0.5
				}
				want := make([]float32, n)
				withBase(func() { f.f(want, x, y, z) })
				guard, dst := newGuarded[float32](n, n%3, -77)
				f.f(dst, x, y, z)
				if n > 0 {
					guard.check(t, dst)
				}
				for i := range dst {
					switch {
					case f.ulp >= 0 && ulps(want[i], dst[i]) > f.ulp:
						t.Fatalf("%s, n=%d: [%d] = %v, want %v", f.name, n, i, dst[i], want[i])
					case f.ulp < 0 && want[i] == want[i] && math.Abs(float64(want[i]-dst[i])) > 1e-6:
						t.Fatalf("%s, n=%d: [%d] = %v, want %v", f.name, n, i, dst[i], want[i])
					}
				}
			}
		}
	})
}

// The whole range of float32, in steps.
func TestVecMathAccuracy(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		const step = 4099
		var x []float32
		for b := uint64(0); b < 1<<32; b += step {
			x = append(x, math.Float32frombits(uint32(b)))
		}
		dst := make([]float32, len(x))
		for _, c := range []struct {
			name  string
			op    vecOp
			f     func(dst, x []float32)
			ulp   int64
			floor float64 // below which only the absolute error counts
		}{
			{"exp", vecExp, ExpF32, 2, 0}, {"sigmoid", vecSigmoid, SigmoidF32, 4, 1e-37}, {"swish", vecSwish, SwishF32, 4, 1e-35}, {"tanh", vecTanh, TanhF32, 3, 0},
		} {
			c.f(dst, x)
			for i, v := range x {
				want := unaryGeneric(c.op, v, 0, 0)
				if d := ulps(want, dst[i]); d > c.ulp && !(math.Abs(float64(want)-float64(dst[i])) < c.floor) && v == v && !math.IsInf(float64(v), 0) {
					t.Fatalf("%s(%v) = %v, want %v: %d ulp", c.name, v, dst[i], want, d)
				}
				if v != v && dst[i] == dst[i] {
					t.Fatalf("%s hides a NaN", c.name)
				}
			}
		}
	})
}

// All exponents, and densely what lies next to multiples of a quarter turn.
func TestSinAccuracy(t *testing.T) {
	var x []float32
	for b := uint64(0); b < 1<<32; b += 4099 {
		x = append(x, math.Float32frombits(uint32(b)))
	}
	for n := 1; n < 90000; n += 1 + n/50 {
		v := float32(float64(n) * (math.Pi / 2))
		for range 4 {
			v = math.Nextafter32(v, 0)
		}
		for range 9 {
			x = append(x, v, -v)
			v = math.Nextafter32(v, 1e9)
		}
	}
	dst := make([]float32, len(x))
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		for quarters := range 4 {
			SinF32(quarters, dst, x)
			for i, v := range x {
				want := sinGeneric(quarters, v)
				if d := ulps(want, dst[i]); d > 3 {
					t.Fatalf("sin(%v + %d quarters) = %v, want %v: %d ulp", v, quarters, dst[i], want, d)
				}
			}
		}
	})
}

func TestVecReductions(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 100 {
			x, y := randF32(r, n), randF32(r, n)
			for i := range x {
				x[i] -= 1.5 // all negative: a zero lane would show in the maximum
			}
			x, y = atEdge(t, x), atEdge(t, y)
			var sum, squares, dot float64
			m := math.Inf(-1)
			for i := range x {
				sum += float64(x[i])
				squares += float64(x[i]) * float64(x[i])
				dot += float64(x[i]) * float64(y[i])
				m = max(m, float64(x[i]))
			}
			require.InDelta(t, sum, SumF32(x), 1e-4)
			require.InDelta(t, squares, SumSquaresF32(x), 1e-4)
			require.InDelta(t, dot, DotF32(x, y), 2e-5)
			require.Equal(t, float32(m), MaxOfF32(x))
			p := make([]float32, n)
			SoftmaxF32(p, x, 1)
			if n > 0 {
				require.InDelta(t, 1, SumF32(p), 2e-6)
			}
		}
	})
}

func TestVecAllocs(t *testing.T) {
	x, y := make([]float32, 100), make([]float32, 100)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		BinaryF32(Add, x, x, y, 0, noMax)
		TanhF32(x, x)
		SoftmaxF32(x, x, 1)
	}))
}

func BenchmarkVec(b *testing.B) {
	const n = 4096
	x, y, z, d := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	for _, name := range []string{"add", "exp", "tanh", "hardswish", "softmax"} {
		for _, f := range vecFuncs {
			if f.name == name {
				b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
					cputest.ForEachPathB(b, "vec/", func(b *testing.B) {
						for b.Loop() {
							f.f(d, x, y, z)
						}
						b.ReportMetric(float64(n)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gelem/s")
					})
				})
			}
		}
	}
}

func BenchmarkAddMasked(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	d, x, y := randF32(r, 4096), randF32(r, 4096), randF32(r, 4096)
	b.Run("vec", func(b *testing.B) {
		for b.Loop() {
			AddMaskedF32(d, x, y, 0, noMax)
		}
	})
	b.Run("generic", func(b *testing.B) {
		for b.Loop() {
			addMaskedGeneric(d, x, y, 0, noMax)
		}
	})
}
