package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// gradProductTN is a gradProduct whose operands are both walked along rows of their depth, of which nothing is packed:
// P and Q as they lie, as for the gradient of weights, or few rows of P turned round, so that large weights are read
// once and not copied. A task owns a tile of C and goes through the depth in chunks, so that bits do not depend on
// the number of threads.
type gradProductTN struct {
	t          *gradProduct
	turn       bool // P is copied, turned round
	chunk      int  // depth at once
	rows, cols int  // of a task's tile
	rowTasks   int
}

const (
	// turnedRows are as many as make packing Q dearer than reading it.
	turnedRows = 32
	// tnDepth by tnCols of Q stay in the cache while tnRows of C pass over them.
	tnDepth, tnRows, tnCols = 128, 96, 128
)

// newGradProductTN is nil where the operands lie otherwise.
func newGradProductTN(p *GradPrep, t *gradProduct) *gradProductTN {
	k := &gradProductTN{t: t, chunk: tnDepth, rows: tnRows, cols: tnCols}
	switch {
	case t.alpha != 1 || t.qn != 1:
		return nil
	case t.pm == 1 && t.k <= turnedRows: // C is large beside the operands: written line by line
		k.rows, k.cols = 12, t.n
	case t.pm == 1:
	case t.pk == 1 && t.m <= turnedRows:
		k.turn, k.chunk, k.cols = true, 16, 2048
		p.NeedScratch(4 * t.m * t.k)
	default:
		return nil
	}
	k.rowTasks = (t.m + k.rows - 1) / k.rows
	return k
}

func (k *gradProductTN) Run(g *Grads) {
	t := k.t
	if k.turn {
		kern.Transpose(tensor.CastSlice[uint32](g.Scratch), tensor.CastSlice[uint32](tensor.BytesOf(t.p)), t.m, t.k, t.m, t.pm)
	}
	g.Parallel(k.rowTasks*((t.n+k.cols-1)/k.cols), k)
}

// Do adds to a tile of C.
func (k *gradProductTN) Do(g *Grads, i, _ int) {
	t := k.t
	m, n := i%k.rowTasks*k.rows, i/k.rowTasks*k.cols
	a := kern.GemmTNArgs{A: t.p, LDA: t.pk, B: t.q, LDB: t.qk, M: t.m, N: t.n, C: t.c, LDC: t.ldc, Accumulate: !t.sets}
	if k.turn {
		a.A, a.LDA = tensor.CastSlice[float32](g.Scratch)[:t.m*t.k], t.m
	}
	p, q := a.A, a.B
	for from := 0; from < t.k; from += k.chunk {
		a.A, a.B, a.K = p[from*a.LDA:], q[from*a.LDB:], min(k.chunk, t.k-from)
		a.Run(m, min(t.m, m+k.rows), n, min(t.n, n+k.cols))
		a.Accumulate = true
	}
}
