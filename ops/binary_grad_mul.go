package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// mulGrad is the gradient of a product by one operand where shapes are equal, or the
// other operand is a number or one value a channel, or where one operand is, channel by channel,
// repeated over the positions of each image, as a gate is: vector loops over lines instead of a walk.
type mulGrad struct {
	which         int
	images, lines int // lines of n floats, for each image
	n             int
	rows          int     // lines of all images
	once          [2]bool // operand has one line an image
	number        bool    // the other operand is a number
	step          int     // floats between the lines of the other operand, where it has one an image; 0: one for all
	sets          bool    // the gradient is set, not added to
}

// mulLines is how many lines are summed in float32 at once, for the gradient of a gate.
const mulLines = 128

// newMulGrad is nil where shapes are others.
func newMulGrad(which int, out tensor.Shape, o []tensor.Spec) *mulGrad {
	k := &mulGrad{which: which}
	own, other := o[which].Shape, o[1-which].Shape
	switch {
	case out.Elems() == 0:
		return nil
	case own == out && (other == out || other.Elems() == 1):
		k.images, k.lines, k.n, k.number = (out.Elems()+chunkElems-1)/chunkElems, 1, out.Elems(), other != out
		return k
	case own == out && other.Elems() == out.Channels() && other.Channels() == out.Channels():
		k.n, k.rows = out.Channels(), out.Rows()
		k.once[1-which] = true
		k.lines = max(1, chunkElems/k.n)
		k.images = (k.rows + k.lines - 1) / k.lines
		return k
	}
	for i := range o {
		if o[i].Shape == out && o[1-i].Shape.Rank() == out.Rank() && out.Rank() >= 3 &&
			o[1-i].Shape.Dim(0) == out.Dim(0) && o[1-i].Shape.Channels() == out.Channels() && o[1-i].Shape.Elems() == out.Dim(0)*out.Channels() {
			k.once[1-i] = true
			k.images, k.n = out.Dim(0), out.Channels()
			k.rows, k.step = out.Rows(), k.n
			k.lines = k.rows / k.images
			return k
		}
	}
	return nil
}

// whole says that the gradient is one number for each of the result's.
func (k *mulGrad) whole() bool { return !k.once[k.which] }

func (k *mulGrad) Run(g *Grads) { g.Parallel(k.images, k) }

// Do computes one image's gradient, or a piece of operands of one shape.
func (k *mulGrad) Do(g *Grads, i, _ int) {
	d, other, dv := g.DOut.F32(), gradArg(g, 1-k.which).F32(), gradOf(g, k.which).F32()
	if !k.once[0] && !k.once[1] {
		from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
		k.piece(dv[from:to], d[from:to], other, from)
		return
	}
	at, lines := i*k.lines*k.n, min(k.lines, k.rows-i*k.lines)
	l := kern.TapLines{A: d[at:][:lines*k.n], N: k.n, Lines: lines, PitchA: k.n, PitchB: k.n, PitchDst: k.n}
	if k.once[1-k.which] {
		l.B, l.Dst = other[i*k.step:][:k.n], dv[at:]
		if !k.sets {
			l.Axpy()
			return
		}
		for j := 0; j < len(l.A); j += k.n {
			kern.BinaryF32(kern.Mul, l.Dst[j:j+k.n], l.A[j:j+k.n], l.B, negInf, posInf)
		}
		return
	}
	l.Dst = dv[i*k.n:]
	for j := 0; j < lines; j += mulLines {
		l.A, l.B, l.Lines = d[at+j*k.n:], other[at+j*k.n:], min(mulLines, lines-j)
		l.Dot()
	}
}

// piece is of an operand of the result's shape, from an element on.
func (k *mulGrad) piece(dv, d, other []float32, from int) {
	switch {
	case k.number && k.sets:
		kern.BinaryScalarF32(kern.Mul, dv, d, other[0], negInf, posInf)
	case k.number:
		kern.AxpyF32(dv, d, other[0], 1)
	case k.sets:
		kern.BinaryF32(kern.Mul, dv, d, other[from:], negInf, posInf)
	default:
		l := kern.TapLines{A: d, B: other[from:], Dst: dv, N: len(d), Lines: 1}
		l.Axpy()
	}
}
