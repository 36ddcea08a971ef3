package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/switches"
)

func TestWinogradI8Layout(t *testing.T) {
	skipUnless64(t)
	var x winoTileI8
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 84, 88, 92, 96}, []uintptr{
		unsafe.Offsetof(x.base), unsafe.Offsetof(x.offsets), unsafe.Offsetof(x.spare), unsafe.Offsetof(x.planes), unsafe.Offsetof(x.stride),
		unsafe.Offsetof(x.channels), unsafe.Offsetof(x.count), unsafe.Offsetof(x.step), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.scale), unsafe.Offsetof(x.words), unsafe.Offsetof(x.lo),
		unsafe.Offsetof(x.hi), unsafe.Offsetof(x.outXor), unsafe.Offsetof(x.signed)})
	var y tileI16
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56}, []uintptr{
		unsafe.Offsetof(y.a), unsafe.Offsetof(y.lda), unsafe.Offsetof(y.b), unsafe.Offsetof(y.c),
		unsafe.Offsetof(y.pairs), unsafe.Offsetof(y.count), unsafe.Offsetof(y.ahead), unsafe.Offsetof(y.lines)})
}

// winoI8Case is a convolution of bytes with everything that its definition needs.
type winoI8Case struct {
	WinogradI8
	in, weights []byte
	bias        []int32
	scale       []float32
	zero        int32 // of the input
	args        WinogradI8Args
}

// sum is the definition of one output's sum.
func (c *winoI8Case) sum(img, y, x, o int) int32 {
	sum := c.bias[o]
	for t := range 9 {
		iy, ix := y-c.PT+t/3, x-c.PL+t%3
		if iy < 0 || ix < 0 || iy >= c.H || ix >= c.W {
			continue
		}
		in := c.in[((img*c.H+iy)*c.W+ix)*c.IC:]
		for k, w := range c.weights[(o*9+t)*c.IC:][:c.IC] {
			sum += (signedByte(in[k], c.Signed) - c.zero) * int32(int8(w))
		}
	}
	return sum
}

// prepare packs, and makes what a run needs. It is false where sums may be too large.
func (c *winoI8Case) prepare(t *testing.T) bool {
	c.Plan(1)
	a := &c.args
	if a.Cols = c.Columns(c.weights, c.bias, c.scale, c.zero); a.Cols == nil {
		return false
	}
	a.In, a.Zero = atEdge(t, c.in), make([]byte, c.IC)
	Fill(a.Zero, byte(c.zero))
	a.Packed = make([]int16, c.PackedSize())
	for p := range c.Panels() {
		c.Pack(a.Packed, c.weights[p*c.panel*9*c.IC:], p)
	}
	a.Zero, a.Packed = atEdge(t, a.Zero), atEdge(t, a.Packed)
	a.Cols.bias, a.Cols.scale = atEdge(t, a.Cols.bias), atEdge(t, a.Cols.scale)
	return true
}

func (c *winoI8Case) check(t *testing.T) {
	a := &c.args
	v, m := c.ScratchSize()
	guardV, sv := newGuarded[int16](v/2, 1, -77)
	guardM, sm := newGuarded[int32](m/4, 1, -77)
	guard, out := newGuarded[byte]((c.N*c.OH*c.OW-1)*c.OutPixel+c.OC, c.OC%5, 77)
	a.V, a.M, a.Out = sv, sm, out
	c.Run(a, 0, c.Blocks())
	guard.check(t, out)
	guardV.check(t, sv)
	guardM.check(t, sm)
	for p := range c.N * c.OH * c.OW {
		img, y, x := p/(c.OH*c.OW), p/c.OW%c.OH, p%c.OW
		for o := range c.OC {
			sum := c.sum(img, y, x, o)
			want := requantI8(sum, c.scale[min(o, len(c.scale)-1)], a.CZero, a.Lo, a.Hi)
			require.Equal(t, want, out[p*c.OutPixel+o], "output %d, channel %d, sum %d", p, o, sum)
		}
		for o := c.OC; o < c.OutPixel && p < c.N*c.OH*c.OW-1; o++ {
			require.Equal(t, byte(77), out[p*c.OutPixel+o])
		}
	}
}

func TestWinogradI8(t *testing.T) {
	cputest.ForEachPath(t, "winoi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i, s := range [][7]int{ // images, height, width, channels in and out, padding, tiles
			{1, 8, 8, 32, 32, 1, 0}, {2, 7, 9, 32, 64, 1, 0}, {1, 14, 14, 64, 32, 1, 0}, {3, 6, 5, 32, 32, 0, 0}, {1, 1, 3, 32, 32, 1, 0},
			{1, 13, 28, 64, 64, 1, 0}, {1, 9, 12, 16, 48, 1, 0}, {2, 10, 7, 48, 16, 1, 3}, {2, 17, 11, 32, 32, 2, 5}, {1, 21, 26, 96, 32, 1, 13}, {1, 29, 27, 32, 96, 1, 25},
		} {
			if !selectWinoI8().fits(s[3] | s[4]) {
				continue
			}
			for bits := range 4 {
				c := winoI8Case{WinogradI8: WinogradI8{N: s[0], H: s[1], W: s[2], IC: s[3], OC: s[4], OH: s[1] + 2*s[5] - 2, OW: s[2] + 2*s[5] - 2,
					PT: s[5], PL: s[5], OutPixel: s[4] + i%3, Signed: bits&1 != 0, Tiles: s[6]}}
				c.in, c.weights = randBytes(r, c.N*c.H*c.W*c.IC), randBytes(r, c.OC*9*c.IC)
				c.zero = int32(r.IntN(256))
				if c.Signed {
					c.zero -= 128
				}
				a := &c.args
				a.Lo, a.Hi, a.CZero = int32(r.IntN(20)), 255, int32(r.IntN(256))
				if bits&2 != 0 {
					a.Lo, a.Hi, a.CZero = a.Lo-128, a.Hi-128, a.CZero-128
				}
				c.bias, c.scale = make([]int32, c.OC), make([]float32, c.OC)
				for o := range c.OC {
					c.bias[o], c.scale[o] = int32(r.IntN(200000)-100000), r.Float32()*.0005
				}
				if i == 3 {
					c.scale = c.scale[:1]
				}
				require.True(t, c.prepare(t))
				c.check(t)
			}
		}
	})
}

// Bytes at the ends of theirs, and sums at the ends of what is exact, are right to the last bit.
func TestWinogradI8Extremes(t *testing.T) {
	patterns := []func(i int) byte{
		func(int) byte { return 0 }, func(int) byte { return 255 }, func(int) byte { return 127 }, func(int) byte { return 128 },
		func(i int) byte { return byte(255 * (i & 1)) }, func(i int) byte { return byte(127 + i>>5&1) },
		func(i int) byte { return []byte{0, 128, 255}[i%3] },
	}
	cputest.ForEachPath(t, "winoi8/", func(t *testing.T) {
		for i, in := range patterns {
			for j, weights := range patterns {
				for bits := range 4 {
					c := winoI8Case{WinogradI8: WinogradI8{N: 1, H: 7, W: 9, IC: 64, OC: 32, OH: 7, OW: 9, PT: 1, PL: 1, OutPixel: 32, Signed: bits&1 != 0}}
					c.in, c.weights = make([]byte, 7*9*64), make([]byte, 32*9*64)
					for i := range c.in {
						c.in[i] = in(i)
					}
					for i := range c.weights {
						c.weights[i] = weights(i)
					}
					if c.zero = 255 * int32(bits>>1); c.Signed {
						c.zero -= 128
					}
					// Every second channel is at each end; the lowest bits of some channels' sums show.
					least, most := c.ends()
					c.bias, c.scale = make([]int32, 32), make([]float32, 32)
					for o := range c.bias {
						c.bias[o], c.scale[o] = -1<<25+1-least, []float32{1. / (1 << 18), 1. / (1 << 20), 1}[o%3]
						if o&1 != 0 {
							c.bias[o] = 1<<25 - 1 - most
						}
						if o >= 16 { // some sum is 100 or so
							c.bias[o] = 0
							c.bias[o] = 100 - c.sum(0, o%7, o%9, o)
						}
					}
					c.args.Hi = 255
					require.True(t, c.prepare(t), "%d, %d", i, j)
					c.check(t)
					c.bias[0]--
					require.Nil(t, c.Columns(c.weights, c.bias, c.scale, c.zero))
					c.bias[0]++
					c.bias[1]++
					require.Nil(t, c.Columns(c.weights, c.bias, c.scale, c.zero))
				}
			}
		}
	})
	c := winoI8Case{WinogradI8: WinogradI8{IC: 32, OC: 32}}
	for _, s := range []float32{-1, 32, noMax, float32(math.NaN())} {
		require.Nil(t, c.Columns(make([]byte, 32*9*32), nil, []float32{s}, 0), "a scale of %v", s)
	}
}

// ends are the least and the most that any input can make of the sums without a bias; all channels have the same weights.
func (c *winoI8Case) ends() (least, most int32) {
	for _, b := range c.weights[:9*c.IC] {
		low, high := -c.zero, 255-c.zero
		if c.Signed {
			low, high = low-128, high-128
		}
		w := int32(int8(b))
		least += min(low*w, high*w)
		most += max(low*w, high*w)
	}
	return least, most
}

// Splitting the transform of a block, and its panels in any order, change no bit.
func TestWinogradI8Split(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := winoI8Case{WinogradI8: WinogradI8{N: 2, H: 11, W: 18, IC: 32, OC: 96, OH: 11, OW: 18, PT: 1, PL: 1, OutPixel: 96, Tiles: 17}}
	c.in, c.weights, c.scale, c.args.Hi = randBytes(r, 2*11*18*32), randBytes(r, 96*9*32), []float32{.0004}, 255
	require.True(t, c.prepare(t))
	v, m := c.ScratchSize()
	a := &c.args
	a.V, a.M, a.Out = make([]int16, v/2), make([]int32, m/4), make([]byte, 2*11*18*96)
	c.Run(a, 0, c.Blocks())
	want := append([]byte(nil), a.Out...)
	clear(a.Out)
	for b := c.Blocks() - 1; b >= 0; b-- {
		n := c.BlockTiles(b)
		c.Input(a, b, n/3, n)
		c.Input(a, b, 0, n/3)
		for p := range c.Panels() {
			c.Panel(a, b, c.Panels()-1-p)
		}
	}
	require.Equal(t, want, a.Out)
	require.Zero(t, testing.AllocsPerRun(2, func() { c.Run(a, 0, 1) }))
}

// Where it was measured to pay, and where not, on Intel's cores with AVX-512 and on Zen 3's; and where it is counted to on Zen 4.
func TestWinogradI8Worthwhile(t *testing.T) {
	for _, c := range []struct {
		size, ic, oc          int
		want, counted, narrow bool
	}{{56, 64, 64, true, true, true}, {28, 128, 128, true, true, true}, {14, 256, 256, false, true, true}, {7, 512, 512, false, false, false},
		{27, 64, 64, true, true, true}, {16, 64, 64, true, true, true}, {12, 64, 64, false, false, true}, {8, 64, 64, false, false, true},
		{13, 64, 256, false, false, true}, {27, 32, 128, false, false, true}, {32, 32, 32, false, false, true}, {28, 256, 512, true, true, true}} {
		w := WinogradI8{OH: c.size, OW: c.size, IC: c.ic, OC: c.oc}
		require.Equal(t, c.want, w.worthwhile(&winoI8Forms[isaAVX512], &winoI8Measured), "%v", c)
		require.Equal(t, c.counted, w.worthwhile(&winoI8Forms[isaAVX512], &winoI8Counted), "%v on Zen 4", c)
		require.Equal(t, c.narrow, w.worthwhile(&winoI8Forms[isaAVX2], &winoI8Narrow), "%v on Zen 3", c)
	}
	for _, core := range []string{cpu.Intel, cpu.Zen4, cpu.Zen5} {
		restore := switches.As(core)
		want := &winoI8Measured
		if core == cpu.Zen4 && winoI8Slow {
			want = &winoI8Counted
		}
		require.Same(t, want, winoI8Forms[isaAVX512].rates(), core)
		restore()
	}
}

func TestWinogradI8Heights(t *testing.T) {
	for _, f := range []*winoI8Form{&winoI8Forms[isaAVX512], &winoI8Forms[isaAVX2], &winoI8Forms[isaGeneric]} {
		for n := range 300 {
			sum := 0
			for i, k := range f.heights(n) {
				if k > 0 {
					sum += k * f.rows[i]
				}
			}
			require.Equal(t, n, sum)
		}
	}
}

func BenchmarkWinogradI8(b *testing.B) {
	for _, s := range [][3]int{{56, 64, 64}, {28, 128, 128}, {14, 256, 256}, {7, 512, 512}, {112, 64, 128}} {
		b.Run(fmt.Sprintf("%dx%dx%d", s[0], s[1], s[2]), func(b *testing.B) {
			c := winoI8Case{WinogradI8: WinogradI8{N: 1, H: s[0], W: s[0], IC: s[1], OC: s[2], OH: s[0], OW: s[0], PT: 1, PL: 1, OutPixel: s[2]}}
			c.Plan(1)
			v, m := c.ScratchSize()
			a := &WinogradI8Args{In: make([]byte, s[0]*s[0]*s[1]), Zero: make([]byte, s[1]), Packed: make([]int16, c.PackedSize()), Hi: 255,
				Cols: &WinogradI8Columns{make([]int32, s[2]), make([]float32, s[2])}, Out: make([]byte, s[0]*s[0]*s[2]),
				V: make([]int16, v/2), M: make([]int32, m/4)}
			for _, step := range []struct {
				name string
				run  func(b int)
			}{{"all", func(b int) { c.Run(a, b, b+1) }}, {"in", func(b int) { c.Input(a, b, 0, c.BlockTiles(b)) }},
				{"mul", func(b int) {
					for n := range c.Panels() {
						c.multiply(a, b, n)
					}
				}}, {"out", func(b int) {
					for n := range c.Panels() {
						c.output(a, b, n)
					}
				}}} {
				b.Run(step.name, func(b *testing.B) {
					for b.Loop() {
						for i := range c.Blocks() {
							step.run(i)
						}
					}
					b.ReportMetric(9*float64(s[0]*s[0]*s[1]*s[2])*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
				})
			}
		})
	}
}

// TestWinogradI8Pack: every transformed weight is where and what the definition says.
func TestWinogradI8Pack(t *testing.T) {
	cputest.ForEachPath(t, "winoi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 4))
		for _, ic := range []int{32, 64, 160} {
			w := &WinogradI8{N: 1, OH: 1, OW: 1, IC: ic, OC: 64}
			w.Plan(1)
			panel := w.PackedSize() / w.Panels()
			weights := atEdge(t, randBytes(r, w.panel*9*ic))
			guard, got := newGuarded[int16](w.PackedSize(), 0, 77)
			want := make([]int16, panel)
			w.Pack(got, weights, 1)
			guard.check(t, got)
			w.packGeneric(want, weights)
			require.Equal(t, want, got[panel:2*panel], "%d channels", ic)
			for i, v := range got {
				if i/panel != 1 {
					require.Equal(t, int16(77), v)
				}
			}
		}
	})
}
