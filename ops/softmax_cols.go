package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// softmaxCols is the lines that are computed side by side: their maxima and sums are
// rows for vector units.
const softmaxCols = 256

// softmaxShort is the longest line in one piece that is turned to lie beside others.
const softmaxShort = 12

// prepareVector picks a form by vector units: false where the lines fit none.
func (k *softmaxKernel) prepareVector() bool {
	switch {
	case k.beta < 0: // the largest product would be that of the smallest element
		return false
	case k.inner >= 8:
		k.cols = min(k.inner, softmaxCols)
		k.room = 2 * softmaxCols
		k.chunk = 1
	case k.inner > 1:
		return false
	case k.n > 0 && k.n <= softmaxShort && k.outer >= 16:
		k.cols = softmaxCols
		k.room = (2 + k.n) * softmaxCols
		k.chunk = 1
	default:
		k.vec = true
		if k.log {
			k.room = rowBuffer
		}
	}
	return true
}

// blocks is the tasks of the form side by side.
func (k *softmaxKernel) blocks() int {
	if k.inner > 1 {
		return k.outer * ((k.inner + k.cols - 1) / k.cols)
	}
	return (k.outer + k.cols - 1) / k.cols
}

// sideBySide computes block i: some neighbouring columns, or some short lines that are
// transposed on the way in and out.
func (k *softmaxKernel) sideBySide(y, x []float32, i int, room []float32) {
	top, sum, buf := room[:softmaxCols], room[softmaxCols:2*softmaxCols], room[2*softmaxCols:]
	if k.inner == 1 {
		from, to := i*k.cols, min(k.outer, (i+1)*k.cols)
		w := to - from
		kern.Transpose(asBits(buf), asBits(x[from*k.n:to*k.n]), w, k.n, w, k.n)
		k.columns(buf, buf, w, w, top[:w], sum[:w])
		kern.Transpose(asBits(y[from*k.n:to*k.n]), asBits(buf), k.n, w, k.n, w)
		return
	}
	parts := (k.inner + k.cols - 1) / k.cols
	c := i % parts * k.cols
	w := min(k.cols, k.inner-c)
	at := i/parts*k.n*k.inner + c
	k.columns(y[at:], x[at:], k.inner, w, top[:w], sum[:w])
}

// asBits is x as elements that are moved and not looked at.
//
//go:noinline
func asBits(x []float32) []uint32 { return tensor.CastSlice[uint32](tensor.BytesOf(x)) }

// columns computes w lines whose elements are pitch apart; y may be x.
func (k *softmaxKernel) columns(y, x []float32, pitch, w int, top, sum []float32) {
	copy(top, x[:w])
	for at := pitch; at < k.n*pitch; at += pitch {
		rowStep(kern.Max, top, x[at:at+w], top)
	}
	clear(sum)
	var exp [softmaxCols]float32
	for at := 0; at < k.n*pitch; at += pitch {
		row := y[at : at+w]
		if k.log {
			row = exp[:w]
		}
		k.less(row, x[at:at+w], top)
		kern.ExpF32(row, row)
		rowStep(kern.Add, sum, sum, row)
	}
	op := kern.Div
	if k.log {
		unarySteps(UnaryLog, 0, 0, sum, sum)
		op = kern.Sub
	}
	for at := 0; at < k.n*pitch; at += pitch {
		row := y[at : at+w]
		if k.log {
			k.less(row, x[at:at+w], top)
		}
		rowStep(op, row, row, sum)
	}
}

// less is beta * (x - top).
//
//go:noinline
func (k *softmaxKernel) less(dst, x, top []float32) {
	rowStep(kern.Sub, dst, x, top)
	if k.beta != 1 {
		scalarStep(kern.Mul, dst, dst, k.beta)
	}
}

// logRow is the logarithm of one line in one piece; y may be x.
func (k *softmaxKernel) logRow(y, x, room []float32) {
	if k.beta != 1 {
		scalarStep(kern.Mul, y, x, k.beta)
		x = y
	}
	top := kern.MaxOfF32(x)
	sum := expSum(x, top, room)
	scalarStep(kern.Sub, y, x, top)
	scalarStep(kern.Sub, y, y, float32(math.Log(sum)))
}

// expSum is the sum of exp(x - top), a buffer at a time.
func expSum(x []float32, top float32, buf []float32) float64 {
	sum := 0.0
	for len(x) > 0 {
		n := min(len(buf), len(x))
		sum += float64(kern.ExpSumF32(buf[:n], x[:n], top))
		x = x[n:]
	}
	return sum
}
