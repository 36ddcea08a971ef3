package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestStripsI8Layout(t *testing.T) {
	skipUnless64(t)
	var x stripI8Args
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48}, []uintptr{unsafe.Offsetof(x.c), unsafe.Offsetof(x.w), unsafe.Offsetof(x.at), unsafe.Offsetof(x.size),
		unsafe.Offsetof(x.count), unsafe.Offsetof(x.pitch), unsafe.Offsetof(x.width)})
	seen := map[int]bool{}
	for c := range 2 * StripStep {
		seen[stripPlace(c)] = true
		require.Equal(t, c/StripStep, stripPlace(c)/StripStep)
	}
	require.Len(t, seen, 2*StripStep)
}

// A list names every input that is not at its zero point, in order, by fours that are filled up with zeros.
func TestFillFactorsI8(t *testing.T) {
	check := func(x []byte, signed bool, at []uint32, size []byte) {
		room := factorsI8(len(x))
		guard, scratch := newGuarded[uint32](StripScratchI8(0, len(x))/4, 0, 77)
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(&scratch[0])), 4*len(scratch))
		FillFactorsI8(bytes, x, signed)
		guard.check(t, scratch)
		require.Equal(t, len(at)/stripI8Group, int(scratch[0]))
		require.Equal(t, at, scratch[stripI8Group:][:len(at)])
		require.Equal(t, size, bytes[4*room+stripI8Group:][:len(size)])
		for i, k := range scratch[stripI8Group+len(at):][:stripI8Ahead*stripI8Group] {
			require.Equal(t, len(x)+i, int(k))
		}
	}
	x := []byte{3, 0, 255, 1, 128, 2, 7, 200}
	check(x, false, []uint32{0, 2, 3, 4, 5, 6, 7, 7}, []byte{3, 255, 1, 128, 2, 7, 200, 0})
	check(x, true, []uint32{0, 1, 2, 3, 5, 6, 7, 7}, []byte{131, 128, 127, 129, 130, 135, 72, 0})
	check(x[3:7], false, []uint32{0, 1, 2, 3}, []byte{1, 128, 2, 7})
	check([]byte{128, 128, 128}, true, []uint32{}, []byte{})
	check(nil, true, []uint32{}, []byte{})
}

// The loop computes what stripI8Args.run defines.
func TestStripI8Loop(t *testing.T) {
	g := SelectGemmI8()
	if !g.Strips() {
		t.Skip("no loop but the definition")
	}
	const columns, inputs = 3 * StripStep, 31
	r := rand.New(rand.NewPCG(1, 2))
	w, x, scratch := make([]byte, columns*inputs), make([]byte, inputs), make([]uint32, StripScratchI8(columns, inputs)/4)
	for i := range w {
		w[i] = byte(r.Uint32())
	}
	for i := range x {
		x[i] = byte(i * i * 7)
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&scratch[0])), 4*len(scratch))
	FillFactorsI8(bytes, x, false)
	sums := func(run func(*stripI8Args)) []int32 {
		c := make([]int32, 2*StripStep)
		run(&stripI8Args{c: &c[0], w: &w[0], at: &scratch[stripI8Group], size: &bytes[4*factorsI8(inputs)+stripI8Group], count: int(scratch[0]),
			pitch: columns, width: 2 * StripStep})
		return c
	}
	require.Equal(t, sums((*stripI8Args).run), sums(g.strips))
}

// Products with weights in strips are those of the same weights in panels, wherever inputs are at their zero point and however
// columns are cut.
func TestStripsI8(t *testing.T) {
	for _, path := range []string{"gemmi8/", "strips/"} {
		cputest.ForEachPath(t, path, testStripsI8)
	}
}

func testStripsI8(t *testing.T) {
	g := SelectGemmI8()
	if !g.Strips() {
		t.Skip("no loop but the definition")
	}
	for i, c := range [][2]int{{1, 4}, {31, 5}, {33, 7}, {127, 8}, {512, 9}, {513, 12}, {545, 33}, {1000, 66}, {2100, 11}, {1057, 130}} {
		for bits := range 16 {
			t.Run(fmt.Sprint(c, bits), func(t *testing.T) {
				n, k := c[0], c[1]
				r := rand.New(rand.NewPCG(uint64(i), uint64(bits)))
				random := func(n int) []byte {
					b := make([]byte, n)
					for i := range b {
						b[i] = byte(r.Uint32())
					}
					return b
				}
				w, x, signed, wSigned := random(n*k), random(k), bits&1 != 0, bits&2 != 0
				zero, zw := int32(0), []int32(nil)
				if signed {
					zero = -128
				}
				if !wSigned {
					zw = []int32{128}
				}
				if bits&4 != 0 {
					for i := range x {
						if i*7%5 < 3 {
							x[i] = byte(zero)
						}
					}
				}
				bias, scale := make([]int32, n), []float32{0.003}
				for i := range bias {
					bias[i] = int32(r.IntN(1<<16) - 1<<15)
				}
				if bits&8 != 0 {
					scale = make([]float32, n)
					for i := range scale {
						scale[i] = 0.01 / float32(i%50+1)
					}
				}
				want := make([]byte, n)
				a := GemmI8Args{A: x, ASigned: signed, LDA: k, Taps: 1, KC: k, N: n, C: want, Wide: make([]byte, g.WideSize(1, 1, k)), LDC: n, CZero: 5, Lo: 1, Hi: 250,
					B: make([]byte, g.PackedSize(n, 1, k)), Cols: g.Columns(w, n, 1, k, k, wSigned, zw, bias, scale, zero, signed)}
				g.Pack(a.B, w, n, 1, k, k, wSigned, zw)
				g.Run(&a, 0, 1, 0, n)

				scratch := byteBuffer(StripScratchI8(n, k))
				FillFactorsI8(scratch, x, signed)
				packed := atEdge(t, make([]byte, StripsSize(n, k)))
				for n0 := 0; n0 < n; n0 += StripStep {
					PackStripsI8(packed, w, n, k, n0, wSigned)
				}
				require.True(t, a.Cols.Symmetric())
				guard, out := newGuarded[byte](n, bits%3, 77)
				a.A, a.KC, a.B, a.C = []byte{byte(zero), byte(zero), byte(zero), byte(zero)}, 4, packed, out
				for _, step := range []int{2 * StripStep << (bits % 4), StripColumnsI8} {
					clear(out)
					for from := 0; from < n; from += step {
						args := a
						g.RunStrips(&args, scratch, k, from, min(n, from+step))
					}
					require.Equal(t, want, out)
				}
				guard.check(t, out)
			})
		}
	}
}

// byteBuffer is n bytes where a session's scratch may begin.
func byteBuffer(n int) []byte {
	b := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&b[0])), n)
}

func TestStripsI8Allocs(t *testing.T) {
	g := SelectGemmI8()
	if !g.Strips() {
		t.Skip("no loop but the definition")
	}
	x, w, scratch := []byte{1, 2, 3, 4, 5, 6, 7, 8}, make([]byte, StripsSize(40, 8)), byteBuffer(StripScratchI8(40, 8))
	a := GemmI8Args{A: make([]byte, 4), Taps: 1, KC: 4, N: 40, B: w, Wide: make([]byte, g.WideSize(1, 1, 4)), C: make([]byte, 40), Hi: 255,
		Cols: g.Columns(w, 40, 1, 8, 8, true, nil, nil, []float32{1}, 0, false)}
	require.Zero(t, testing.AllocsPerRun(10, func() {
		FillFactorsI8(scratch, x, false)
		g.RunStrips(&a, scratch, 8, 0, 40)
	}))
}

// BenchmarkStripsI8 compares with panels, at shares of inputs that are at their zero point, for weights that memory delivers and
// such as stay in a cache.
func BenchmarkStripsI8(b *testing.B) {
	g := SelectGemmI8()
	for _, s := range [][2]int{{4096, 25088}, {1000, 2048}, {1000, 512}} {
		n, k := s[0], s[1]
		weights, x := make([]byte, n*k), make([]byte, k)
		for i := range weights { // memory that nobody wrote to is one page of zeros
			weights[i] = byte(i*7) &^ 1
		}
		a := GemmI8Args{A: x, LDA: k, Taps: 1, KC: k, N: n, Wide: make([]byte, g.WideSize(1, 1, k)), C: make([]byte, n), LDC: n, Hi: 255, B: make([]byte, g.PackedSize(n, 1, k)),
			Cols: g.Columns(weights, n, 1, k, k, true, nil, nil, []float32{1e-3}, 0, false)}
		g.Pack(a.B, weights, n, 1, k, k, true, nil)
		b.Run(fmt.Sprint(s, "/panels"), func(b *testing.B) {
			for b.Loop() {
				g.Run(&a, 0, 1, 0, n)
			}
		})
		scratch, packed := byteBuffer(StripScratchI8(n, k)), make([]byte, StripsSize(n, k))
		b.Run(fmt.Sprint(s, "/panels/pack"), func(b *testing.B) {
			for b.Loop() {
				g.Pack(a.B, weights[:StripStep*k], StripStep, 1, k, k, true, nil)
			}
		})
		b.Run(fmt.Sprint(s, "/strips/pack"), func(b *testing.B) {
			for b.Loop() {
				PackStripsI8(packed, weights, n, k, 0, true)
			}
		})
		copy(packed, weights)
		for _, zeros := range []int{0, 50, 90} {
			r := rand.New(rand.NewPCG(1, 2))
			for i := range x {
				if x[i] = 1; r.IntN(100) < zeros {
					x[i] = 0
				}
			}
			b.Run(fmt.Sprint(s, "/strips/", zeros), func(b *testing.B) {
				for b.Loop() {
					FillFactorsI8(scratch, x, false)
					for n0 := 0; n0 < n; n0 += StripColumnsI8 {
						args := a
						args.A, args.KC, args.B = []byte{0, 0, 0, 0}, 4, packed
						g.RunStrips(&args, scratch, k, n0, min(n, n0+StripColumnsI8))
					}
				}
			})
		}
	}
}
