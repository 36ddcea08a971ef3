package ops

import "github.com/teff-ml/teff/ops/internal/kern"

// TiledGrad is a gradient whose parameter 0, a matrix, may have its gradient made tile by tile: each is used while it
// is in a cache, and the whole of it never is anywhere.
type TiledGrad interface {
	GradKernel
	// Tile is the rows and columns of a tile that suit, 0 where tiles are not to be had.
	Tile() (rows, cols int)
	// AddTile adds rows r0 to r1 and columns c0 to c1 of the gradient to dst, which is [r1-r0, c1-c0], after a Run
	// whose DParams[0] was zero, and to the same bits as a Run with it. Workers may call it at the same time.
	AddTile(g *Grads, dst []float32, r0, r1, c0, c1, worker int)
}

// Tile is none where products are in float64.
func (k *denseGrad) Tile() (rows, cols int) {
	switch t := k.dw.tn; {
	case t == nil || k.weight > 1:
		return 0, 0
	case !t.packs && t.rows < tnRows: // few rows of x and dy: long lines
		return t.rows, min(k.in, 2048)
	default:
		return t.rows, min(k.in, t.cols)
	}
}

// AddTile adds a tile.
func (k *denseGrad) AddTile(g *Grads, dst []float32, r0, r1, c0, c1, worker int) {
	t := k.dw.tn
	if t.packs {
		t.tile(g, g.DOut.F32()[r0:], g.In[0].F32()[c0:], dst, r1-r0, c1-c0, c1-c0, worker, true)
		return
	}
	a := kern.GemmTNArgs{LDA: k.out, LDB: k.in, M: r1 - r0, N: c1 - c0, C: dst, LDC: c1 - c0, Accumulate: true}
	d, x := g.DOut.F32()[r0:], g.In[0].F32()[c0:]
	for from := 0; from < k.rows; from += t.chunk {
		a.A, a.B, a.K = d[from*k.out:], x[from*k.in:], min(t.chunk, k.rows-from)
		for c := 0; c < a.N; c += t.cols {
			a.Run(0, a.M, c, min(a.N, c+t.cols))
		}
	}
}
