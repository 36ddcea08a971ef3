package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// mulGrad is the gradient of a product by one operand where shapes are equal or one
// operand is, channel by channel, repeated over the positions of each image, as a gate is:
// vector loops over lines instead of a walk.
type mulGrad struct {
	which         int
	images, lines int // lines of n floats, for each image
	n             int
	once          [2]bool // operand has one line an image
}

// mulLines is how many lines are summed in float32 at once, for the gradient of a gate.
const mulLines = 128

// newMulGrad is nil where shapes are others.
func newMulGrad(which int, out tensor.Shape, o []tensor.Spec) *mulGrad {
	k := &mulGrad{which: which}
	if out.Elems() == 0 {
		return nil
	}
	if o[0].Shape == out && o[1].Shape == out {
		k.images, k.lines, k.n = (out.Elems()+chunkElems-1)/chunkElems, 1, out.Elems()
		return k
	}
	for i := range o {
		if o[i].Shape == out && o[1-i].Shape.Rank() == out.Rank() && out.Rank() >= 3 &&
			o[1-i].Shape.Dim(0) == out.Dim(0) && o[1-i].Shape.Channels() == out.Channels() && o[1-i].Shape.Elems() == out.Dim(0)*out.Channels() {
			k.once[1-i] = true
			k.images, k.n = out.Dim(0), out.Channels()
			k.lines = out.Elems() / (k.images * k.n)
			return k
		}
	}
	return nil
}

func (k *mulGrad) Run(g *Grads) { g.Parallel(k.images, k) }

// Do computes one image's gradient, or a piece of operands of one shape.
func (k *mulGrad) Do(g *Grads, i, _ int) {
	d, other, dv := g.DOut.F32(), gradArg(g, 1-k.which).F32(), gradOf(g, k.which).F32()
	if !k.once[0] && !k.once[1] {
		from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
		l := kern.TapLines{A: d[from:to], B: other[from:to], Dst: dv[from:to], N: to - from, Lines: 1}
		l.Axpy()
		return
	}
	size := k.lines * k.n
	l := kern.TapLines{A: d[i*size:][:size], N: k.n, Lines: k.lines, PitchA: k.n, PitchB: k.n, PitchDst: k.n}
	if k.once[1-k.which] {
		l.B, l.Dst = other[i*k.n:], dv[i*size:]
		l.Axpy()
		return
	}
	l.Dst = dv[i*k.n:]
	for at := 0; at < k.lines; at += mulLines {
		l.A, l.B, l.Lines = d[i*size+at*k.n:], other[i*size+at*k.n:], min(mulLines, k.lines-at)
		l.Dot()
	}
}
