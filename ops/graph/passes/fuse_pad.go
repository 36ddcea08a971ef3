package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// FusePad makes explicit padding of the spatial dimensions with zeros part of
// the window after it: a convolution's, whose own padding is zero too, or that
// of an average that counts padding. The padding need not go: its other readers
// keep it.
func FusePad(g *graph.Graph) (*graph.Graph, error) { return apply(g, fusePad) }

func fusePad(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindPad) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		if len(in) == 0 {
			return b.Keep(nd, in)
		}
		src := b.Node(in[0])
		pad, ok := src.Op.(*ops.Pad)
		if !ok || pad.Mode != ops.PadConstant || pad.Value != 0 || len(src.In) != 1 || len(src.Params) > 0 {
			return b.Keep(nd, in)
		}
		// Integers are padded with their zero point by both, if that is the
		// same number before and after.
		if !src.Out.Equal(b.Spec(in[0])) || !src.Out.Quant.Equal(b.Spec(src.In[0]).Quant) {
			return b.Keep(nd, in)
		}
		var op ops.Op
		switch o := nd.Op.(type) {
		case *ops.Conv:
			if w, ok := padded(o.Window, pad); ok {
				c := *o
				c.Window = w
				op = &c
			}
		case *ops.Pool:
			own := o.Auto == ops.PadValid || o.Auto == ops.PadExplicit && allZero(o.PadLo) && allZero(o.PadHi)
			if o.Fn != ops.PoolAvg || o.Ceil || o.Output != 0 || !own && !o.CountIncludePad {
				break
			}
			if w, ok := padded(o.Window, pad); ok {
				c := *o
				c.Window, c.CountIncludePad = w, true
				op = &c
			}
		}
		if op == nil {
			return b.Keep(nd, in)
		}
		in = slices.Clone(in)
		in[0] = src.In[0]
		return b.Add(nd.Name, op, nd.Params, in...)
	})
}

// padded is w with pad's amounts added to its own.
func padded(w ops.Window, pad *ops.Pad) (ops.Window, bool) {
	rank := len(pad.Lo)
	if rank < 3 || len(pad.Hi) != rank || w.Auto != ops.PadExplicit && w.Auto != ops.PadValid {
		return w, false
	}
	if pad.Lo[0]|pad.Hi[0]|pad.Lo[rank-1]|pad.Hi[rank-1] != 0 || slices.Min(pad.Lo) < 0 || slices.Min(pad.Hi) < 0 {
		return w, false
	}
	lo, hi := slices.Clone(pad.Lo[1:rank-1]), slices.Clone(pad.Hi[1:rank-1])
	if w.Auto == ops.PadExplicit {
		for i := range w.PadLo {
			lo[i] += w.PadLo[i]
		}
		for i := range w.PadHi {
			hi[i] += w.PadHi[i]
		}
	}
	w.Auto, w.PadLo, w.PadHi = ops.PadExplicit, lo, hi
	return w, true
}
