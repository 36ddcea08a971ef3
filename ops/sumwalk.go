package ops

import "github.com/teff-ml/teff/ops/tensor"

// sumWidth is how many neighbouring sums are made at once: a cache line.
const sumWidth = 16

// sumWalk walks a shape so that every element of an operand that was repeated
// to it is summed by one task, in one order. Dimensions of the shape are
// either the operand's (kept) or repeats of it.
type sumWalk struct {
	kept, repeats int // elements of the operand; elements of the shape for each
	keptDim       [tensor.MaxRank]int
	repDim        [tensor.MaxRank]int
	keptStride    [4][tensor.MaxRank]int // of the shape itself, then of up to three operands
	repStride     [4][tensor.MaxRank]int
	keptRank      int
	repRank       int
	line          int    // extent of the innermost kept dimension
	step          [4]int // strides along it
	block         int    // elements of the operand that are one task
	tasks         int
}

// newSumWalk plans sums over shape for an operand of shape of; offsets are
// found in the shape itself and in the others, which broadcast to it too.
func newSumWalk(shape, of tensor.Shape, others ...tensor.Shape) sumWalk {
	var st [4][tensor.MaxRank]int
	st[0] = shape.Strides()
	for i, s := range others {
		own := s.Strides()
		for d := range s.Rank() {
			if s.Dim(d) != 1 {
				st[i+1][d+shape.Rank()-s.Rank()] = own[d]
			}
		}
	}
	w := sumWalk{kept: 1, repeats: 1}
	lead := shape.Rank() - of.Rank()
	for d := range shape.Rank() {
		n := shape.Dim(d)
		switch {
		case n == 1:
		case d < lead || of.Dim(d-lead) == 1:
			w.repDim[w.repRank] = n
			for i := range st {
				w.repStride[i][w.repRank] = st[i][d]
			}
			w.repRank++
			w.repeats *= n
		default:
			w.keptDim[w.keptRank] = n
			for i := range st {
				w.keptStride[i][w.keptRank] = st[i][d]
			}
			w.keptRank++
			w.kept *= n
		}
	}
	w.line = 1
	if w.keptRank > 0 {
		w.line = w.keptDim[w.keptRank-1]
		for i := range w.step {
			w.step[i] = w.keptStride[i][w.keptRank-1]
		}
	}
	w.block = max(1, chunkElems/max(1, w.repeats)/sumWidth) * sumWidth
	w.tasks = (w.kept + w.block - 1) / w.block
	return w
}

// width is how many elements from e on can be summed side by side.
func (w *sumWalk) width(e int) int {
	n := min(sumWidth, w.line-e%w.line)
	return min(n, w.block-e%w.block)
}

// keptAt is where element e of the operand first appears.
func (w *sumWalk) keptAt(e int) (at [4]int) {
	for d := w.keptRank - 1; d >= 0; d-- {
		j := e % w.keptDim[d]
		e /= w.keptDim[d]
		for i := range at {
			at[i] += j * w.keptStride[i][d]
		}
	}
	return at
}

// add is at moved to repeat r.
func (w *sumWalk) add(at [4]int, r int) [4]int {
	for d := w.repRank - 1; d >= 0; d-- {
		j := r % w.repDim[d]
		r /= w.repDim[d]
		for i := range at {
			at[i] += j * w.repStride[i][d]
		}
	}
	return at
}
