package train

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Large weights of a dense layer are updated tile by tile as their gradient is made: it is never written to memory and read
// again, and no room is needed for it. What an update does to an element does not depend on others, so bits are those of
// updates of whole gradients.

// tiledBytes is the least size of such a gradient: a smaller one is in a cache when it is read again.
const tiledBytes = 8 << 20

// tiledStep is a layer's.
type tiledStep struct {
	kernel     ops.TiledGrad
	rows, cols int // of a tile
	span       int // of all workers' tiles
}

// tiled says how parameter 0 of a node, whose gradient is st.kernel's, is updated in tiles; nil where it is not.
func (s *schedule) tiled(id graph.ID, st *bwdStep, threads int) *tiledStep {
	k, ok := st.kernel.(ops.TiledGrad)
	if !ok || !s.cfg.early() || !s.learns(id, 0) || s.chans[paramKey{id, 0}] != nil || 4*s.learning(paramKey{id, 0}) < tiledBytes {
		return nil
	}
	t := &tiledStep{kernel: k}
	if t.rows, t.cols = k.Tile(); t.rows == 0 {
		return nil
	}
	t.span = s.span(4*t.rows*t.cols*threads, s.back(id), s.back(id))
	return t
}

// tiledRun is a tiledStep over the arena.
type tiledRun struct {
	t          *Trainer
	p          *param
	kernel     ops.TiledGrad
	grads      *ops.Grads
	rows, cols int
	m, n       int // of the parameter
	room       []float32
}

func (b *binder) tiled(st *tiledStep, r *bwdRun, p *param) *tiledRun {
	w := r.grads.Params[0].Shape
	return &tiledRun{t: b.t, p: p, kernel: st.kernel, grads: &r.grads, rows: st.rows, cols: st.cols, m: w.Dim(0), n: w.Dim(1), room: floats(b.bytes(st.span))}
}

func (r *tiledRun) run() { r.t.pool.Run((r.m+r.rows-1)/r.rows, r) }

// Do updates the tiles of some rows, unless a gradient was found to be no number.
func (r *tiledRun) Do(i, worker int) {
	r0, o, u := i*r.rows, r.t.cfg.Optimizer, r.t.now.of(r.p)
	r1 := min(r.m, r0+r.rows)
	for c0 := 0; c0 < r.n; c0 += r.cols {
		c1 := min(r.n, c0+r.cols)
		tile := r.room[worker*r.rows*r.cols:][:(r1-r0)*(c1-c0)]
		clear(tile)
		r.kernel.AddTile(r.grads, tile, r0, r1, c0, c1, worker)
		if r.t.spoilt.Load() != nil {
			return
		}
		if !ops.Finite(tile) {
			r.t.spoilt.CompareAndSwap(nil, r.p)
			return
		}
		for row := r0; row < r1; row++ {
			from, to := row*r.n+c0, row*r.n+c1
			var state [2][]float32
			for s := range o.slots() {
				state[s] = r.p.state[s][from:to]
			}
			o.update(u, r.p.w[from:to], tile[:to-from], state)
			tile = tile[to-from:]
		}
	}
}
