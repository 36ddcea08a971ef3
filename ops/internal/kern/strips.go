package kern

import (
	"math"
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// A product of a single row reads each weight once, so a large one takes as long as memory takes to deliver the weights.
// Those of an input that is zero need not be read, and behind a Relu that is half of them or more (in a trained VGG-16, 93 %
// of the first dense layer's and 75 % of the others', says Hu et al., "Network Trimming", 2016). So the weights of one input
// lie together, in strips of columns: long enough to be worth a jump, short enough that their sums stay in the first-level
// cache and that several threads find work.

var (
	useStripsAVX512 = cpu.AVX512 && haveAsm
	useStripsAVX2   = cpu.AVX2 && haveAsm
	useStripsNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("strips/avx512", &useStripsAVX512)
	cpu.Register("strips/avx2", &useStripsAVX2)
	cpu.Register("strips/neon", &useStripsNEON)
}

const (
	// StripColumns is how many columns a strip has; the last may have fewer.
	StripColumns = 512
	// StripStep is what the columns of a strip, and where in it a product may begin and end, are a multiple of.
	StripStep = 64

	stripRows = 4 // inputs that the loops take at once
)

// Strips says whether g multiplies a single row by weights in strips.
func (g *GemmF32) Strips() bool {
	switch g.isa {
	case isaAVX512:
		return useStripsAVX512
	case isaAVX2:
		return useStripsAVX2
	case isaNEON:
		return useStripsNEON
	}
	return false
}

// StripsSize is the number of weights of k inputs and n columns in strips: those of columns StripColumns·s and on lie at
// StripColumns·s·k, each input's after the other's, in lines of StripWidth columns.
//
//go:noinline
func StripsSize(n, k int) int { return (n + StripStep - 1) / StripStep * StripStep * k }

// StripWidth is how wide the strip is that column at of n is in, with zeros behind the last column.
func StripWidth(n, at int) int {
	return (min(StripColumns, n-at/StripColumns*StripColumns) + StripStep - 1) / StripStep * StripStep
}

// Factors is the size of a list of k inputs.
func Factors(k int) int { return k + stripRows }

// FillFactors lists the inputs that are not zero, or all of them, in room for Factors(len(x)), and returns how many: each one's
// place in the lower half, its bits in the upper. Those behind them name what is asked for last, the next strip's first weights.
func FillFactors(list []uint64, x []float32, all bool) int {
	n, every := 0, uint32(0)
	if all {
		every = 1
	}
	list = list[:Factors(len(x))]
	for i, v := range x {
		bits := math.Float32bits(v)
		list[n] = uint64(i) | uint64(bits)<<32
		size := bits << 1
		n += int((size|-size)>>31 | every) // no branch: half of them would be mispredicted
	}
	for i := range stripRows {
		list[n+i] = uint64(len(x) + i)
	}
	return n
}

// stripArgs is what the loops are handed; assembly knows the offsets (see TestStripsLayout).
type stripArgs struct {
	c     *float32 // sums, to which products are added
	w     unsafe.Pointer
	list  *uint64
	count int      // of list, used up; stripRows more are there
	pitch int      // bytes from one input's weights to the next's
	width int      // bytes of weights of an input that are multiplied, a multiple of a cache line
	step  *float32 // of NarrowI8, one for each column
}

// RunStrips computes columns n0 to n1 of a single row, n0 a multiple of StripStep, from the first count factors of list and
// weights in strips, kept as n says; steps are the columns' for NarrowI8, up to a multiple of StripStep. a's A and B are not
// used. The order of a sum is Run's, but for what an input of zero adds, which is zero: the bits are Run's, but perhaps for the
// sign of a zero, where the weights that are left out are finite.
func (g *GemmF32) RunStrips(a *GemmF32Args, n Narrow, list []uint64, count int, w []byte, steps []float32, n0, n1 int) {
	size, k := n.Size(), a.KC
	if k <= 0 || n0%StripStep != 0 || n1 > a.N || len(w) < size*StripsSize(a.N, k) || len(list) < count+stripRows || count > k ||
		n == NarrowI8 && len(steps) < (n1+StripStep-1)/StripStep*StripStep {
		panic("kern: BUG: gemm: strips do not match the sizes")
	}
	var sums [StripColumns]float32
	for n0 < n1 {
		strip := n0 / StripColumns * StripColumns
		pitch, end := StripWidth(a.N, n0), min(n1, strip+StripColumns)
		c := sums[:end-n0]
		if a.Bias != nil {
			copy(c, a.Bias[n0:end])
		} else {
			clear(c)
		}
		t := stripArgs{
			c: &sums[0], w: unsafe.Pointer(&w[size*(strip*k+n0-strip)]), list: &list[0], count: count,
			pitch: size * pitch, width: size * ((end - n0 + StripStep - 1) / StripStep * StripStep),
		}
		if n == NarrowI8 {
			t.step = &steps[n0]
		}
		g.strips(n, &t)
		if a.Res != nil {
			for i, v := range a.Res[n0:end] {
				c[i] += v
			}
		}
		for i, v := range c {
			c[i] = clampF32(v, a.Min, a.Max)
		}
		copy(a.C[n0:end], c)
		n0 = end
	}
}

// run is the definition of the loops.
func (t *stripArgs) run(n Narrow) {
	for _, f := range unsafe.Slice(t.list, t.count) {
		w, x := unsafe.Add(t.w, int(uint32(f))*t.pitch), math.Float32frombits(uint32(f>>32))
		for i := range unsafe.Slice(t.c, t.width/n.Size()) {
			var v [1]float32
			switch n {
			case NarrowNone:
				v[0] = unsafe.Slice((*float32)(w), i+1)[i]
			case NarrowI8:
				v[0] = float32(unsafe.Slice((*int8)(w), i+1)[i]) * unsafe.Slice(t.step, i+1)[i]
			default:
				n.widen(v[:], unsafe.Slice((*uint16)(w), i+1)[i:])
			}
			unsafe.Slice(t.c, i+1)[i] += x * v[0]
		}
	}
}
