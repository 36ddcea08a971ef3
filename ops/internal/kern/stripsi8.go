package kern

import (
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Products of a single row of bytes leave out inputs at their zero point, as float32's do those that are zero (see strips.go).
// That is there where the zero point is the least number there is, as behind a Relu: then the others, as they are, are how far
// they are from it, and no sum of weights is needed. Weights must have no zero points.

var (
	useStripsVNNI  = cpu.VNNI && haveAsm
	useStripsPairs = cpu.AVX2 && haveAsm
)

func init() {
	cpu.Register("strips/vnni", &useStripsVNNI)
	cpu.Register("strips/i8avx2", &useStripsPairs)
}

const (
	// StripColumnsI8 is StripColumns for bytes: as many bytes in a row.
	StripColumnsI8 = 2048

	stripI8Group = 4 // inputs that an instruction multiplies
	stripI8Ahead = 8 // groups; asmgen knows the number
)

// stripWidthI8 is StripWidth for bytes.
func stripWidthI8(n, at int) int { return wholeSteps(min(StripColumnsI8, n-at&^(StripColumnsI8-1))) }

func wholeSteps(n int) int { return (n + StripStep - 1) &^ (StripStep - 1) }

// Strips says whether g multiplies a single row by weights in strips.
func (g *GemmI8) Strips() bool {
	return g.isa == isaAVX512 && useStripsVNNI || g.wide && useStripsPairs
}

// PackStripsI8 lays StripStep columns of weights [n, k], from n0 on, out in strips: dst is StripsSize(n, k) zeros, unsigned weights get
// the top bit flipped.
func PackStripsI8(dst, w []byte, n, k, n0 int, signed bool) {
	const inputs = 256 // at once: lines of the strip are far apart, and so are columns
	var lines [inputs * StripStep]byte
	strip, pitch := n0&^(StripColumnsI8-1), stripWidthI8(n, n0)
	flip := byte(^flipOf(signed)) & 0x80
	w = w[n0*k:]
	for at, ld := strip*k+n0-strip, k; k > 0; {
		deep := min(inputs, k)
		for c := range min(StripStep, n-n0) {
			to := lines[stripPlace(c):]
			for d, v := range w[c*ld:][:deep] {
				to[d*StripStep] = v ^ flip
			}
		}
		for d := range deep {
			*(*[StripStep]byte)(dst[at:]) = *(*[StripStep]byte)(lines[d*StripStep:])
			at += pitch
		}
		w, k = w[deep:], k-deep
	}
}

// stripPlace is where column c of StripStep lies: what the interleaving of bytes, then of words, in each 16 bytes makes
// successive is 16 columns apart.
func stripPlace(c int) int { return c&^(StripStep-1) | c>>2&3<<4 | c>>4&3<<2 | c&3 }

// StripScratchI8 is the bytes that a product of a row of k bytes with n columns needs: a list of inputs, their bytes, sums.
func StripScratchI8(n, k int) int { return 4 * (factorsI8(k)/4*5 + wholeSteps(n)) }

// factorsI8 is how many entries a list has room for, the first of which is their number.
func factorsI8(k int) int { return stripI8Group * ((k+stripI8Group-1)/stripI8Group + stripI8Ahead + 1) }

// FillFactorsI8 lists the inputs that are not at their zero point, by fours. Those behind them name what is asked for last, the
// next strip's first weights.
func FillFactorsI8(scratch, x []byte, signed bool) {
	room := factorsI8(len(x))
	at := unsafe.Slice((*uint32)(unsafe.Pointer(&scratch[:4*room][0])), room)
	size, flip, n := scratch[4*room:][:room], byte(flipOf(signed)), stripI8Group
	for k, v := range x {
		v ^= flip
		at[n], size[n] = uint32(k), v
		n += int((uint32(v) + 255) >> 8) // no branch: half of them would be mispredicted
	}
	for ; n%stripI8Group != 0; n++ { // a group is filled up with products of zero
		at[n], size[n] = at[n-1], 0
	}
	at[0] = uint32(n/stripI8Group - 1)
	for i := range stripI8Ahead * stripI8Group {
		at[n+i] = uint32(len(x) + i)
	}
}

// stripI8Args is what the loop is handed; assembly knows the offsets (see TestStripsI8Layout).
type stripI8Args struct {
	c     *int32 // sums, to which products are added
	w     *byte
	at    *uint32 // inputs, used up; stripI8Ahead groups more are there
	size  *byte   // what they are
	count int     // groups, used up
	pitch int     // bytes from one input's weights to the next's
	width int     // columns, a multiple of StripStep
}

// RunStrips does columns n0 to n1, n0 a multiple of StripStep and no strip's end between them, of a row of k bytes of which
// FillFactorsI8 made a list in scratch. Sums are made first, of a.Cols' bias and products with B from PackStripsI8. They are the Bias of
// what is run then, which a is as it was made: a product of four bytes at their zero point.
func (g *GemmI8) RunStrips(a *GemmI8Args, scratch []byte, k, n0, n1 int) {
	room, n := factorsI8(k), a.N
	strip, width := n0&^(StripColumnsI8-1), wholeSteps(n1-n0)
	if n0%StripStep != 0 || n0 >= n1 || n1 > min(n, strip+StripColumnsI8) || len(a.B) < StripsSize(n, k) || len(scratch) < StripScratchI8(n, k) {
		panic("kern: BUG: gemmi8: strips do not match the sizes")
	}
	list := unsafe.Pointer(&scratch[0])
	a.Bias = unsafe.Slice((*int32)(unsafe.Add(list, 5*room)), wholeSteps(n))
	copy(a.Bias[n0:n1], a.Cols.bias[n0:])
	t := stripI8Args{c: &a.Bias[n0], w: &a.B[strip*k+n0-strip], at: (*uint32)(unsafe.Add(list, 4*stripI8Group)), size: &scratch[4*room+stripI8Group],
		count: int(*(*uint32)(list)), pitch: stripWidthI8(n, n0), width: width}
	if t.count > 0 {
		g.strips(&t)
	}
	g.Run(a, 0, 1, n0, n1)
}

// run is the definition of the loop.
func (t *stripI8Args) run() {
	c := unsafe.Slice(t.c, t.width)
	for i, x := range unsafe.Slice(t.size, t.count*stripI8Group) {
		at := int(unsafe.Slice(t.at, i+1)[i]) * t.pitch
		w := unsafe.Slice((*int8)(unsafe.Pointer(t.w)), at+t.pitch)[at:]
		for j := range c {
			c[j] += int32(x) * int32(w[stripPlace(j)])
		}
	}
}
