package cuda

import (
	"errors"
	"fmt"

	"github.com/teff-ml/teff/ops"
)

// The gradients of what is no convolution: norms, concatenation, pools, PRelu.

func (b *backward) batchNorm(nd *node) ([]learned, error) {
	d, s := b.grads[nd.id], b.stats[nd.id]
	rows, c := nd.Out.Shape.Rows(), nd.Out.Shape.Channels()
	dscale, dbias, x := nd.scratch(c), nd.scratch(c), nd.operand(0)
	nd.call("bnsums_f32", [3]int{(c + 31) / 32, 1, 1}, []param{at(x), at(d), at(s[0]), at(s[1]), at(dscale), at(dbias)}, ints(rows, c))
	learn := []learned{{0, dscale}, {1, dbias}}
	if b.needs[nd.In[0]] {
		if b.c.Frozen { // statistics do not depend on x
			dscale, dbias = nd.scratch(c), nd.scratch(c)
			for _, none := range []ref{dscale, dbias} {
				nd.count("fill_f32", c, []param{at(none)}, ints(c), []param{num(0)})
			}
		}
		to, add := b.into(nd, 0)
		nd.count("bngrad_f32", rows*c, []param{at(x), at(d), at(s[0]), at(s[1]), at(nd.operand(1)), at(dscale), at(dbias), at(to)}, ints(rows*c, c))
		add()
	}
	return learn, nil
}

// concat gives each input its part of the result's gradient.
func (b *backward) concat(nd *node, o *ops.Concat) error {
	axis, ok := axisOf(o.Axis, nd.Out.Shape.Rank())
	if !ok || len(nd.Params) > 0 {
		return fmt.Errorf("axis %d of %v has no gradient here", o.Axis, nd.Out.Shape)
	}
	sy, from := dense(nd.Out.Shape), 0
	for i := range nd.In {
		x := nd.spec(i).Shape
		if b.needs[nd.In[i]] {
			to, add := b.into(nd, i)
			nd.copy(b.grads[nd.id], to, x.Dims(), sy, from*sy[axis], dense(x), 0)
			add()
		}
		from += x.Dim(axis)
	}
	return nil
}

func (b *backward) pool(nd *node, o *ops.Pool) error {
	x := nd.spec(0).Shape
	g, err := o.Resolve(ops.KindPool, x, nil)
	if err != nil {
		return err
	}
	images, err := plane(&g)
	if err != nil {
		return err
	}
	mode, err := poolMode(o)
	if err != nil || o.Act.Fn != ops.UnaryNone {
		return errors.Join(err, fmt.Errorf("only the maximum and the mean without a function behind them have a gradient here"))
	}
	shape := ints(images*x.Dim(0), g.In[1], g.In[2], x.Channels(), g.Out[1], g.Out[2], g.Kernel[1], g.Kernel[2], g.Stride[1], g.Stride[2],
		g.Dilation[1], g.Dilation[2], g.PadLo[1], g.PadLo[2])
	to, add := b.into(nd, 0)
	if mode == poolMax {
		nd.count("maxgrad_f32", x.Elems(), []param{at(nd.operand(0)), at(b.grads[nd.id]), at(to)}, shape)
	} else {
		nd.count("avggrad_f32", x.Elems(), []param{at(b.grads[nd.id]), at(to)}, shape, ints(g.PadHi[1], g.PadHi[2], mode))
	}
	add()
	return nil
}

func (b *backward) groupNorm(nd *node, o *ops.GroupNorm) ([]learned, error) {
	outer, pos, groups, width := nd.groupSets(o)
	return b.sets(nd, outer, pos, groups, width, o.Eps)
}

func (b *backward) layerNorm(nd *node, o *ops.LayerNorm) ([]learned, error) {
	outer, width, err := nd.layerSets(o)
	if err == nil && o.Output != 0 {
		err = fmt.Errorf("statistics have no gradient here")
	}
	if err != nil {
		return nil, err
	}
	return b.sets(nd, outer, 1, 1, width, o.Eps)
}

// sets is the gradients of sets of elements that are normalised together, as norm has
// them.
func (b *backward) sets(nd *node, outer, pos, groups, width int, eps float32) ([]learned, error) {
	if len(nd.In) != 1 {
		return nil, fmt.Errorf("a scale that is computed has no gradient here")
	}
	d, x, stats := b.grads[nd.id], nd.operand(0), [2]ref{nd.scratch(outer * groups), nd.scratch(outer * groups)}
	for i, s := range stats {
		nd.call("norm_f32", [3]int{outer * groups, 1, 1}, []param{at(x), at(ref{}), at(ref{}), at(s)},
			ints(outer, pos, groups, width, 0, 0, i+1), []param{num(float64(eps))})
	}
	c := groups * width
	var learn []learned
	if len(nd.Params) > 0 {
		var sums [2]ref // of scale and bias
		for i := range sums {
			sums[i] = nd.scratch(c)
		}
		nd.call("normsums_f32", [3]int{(c + 31) / 32, 1, 1}, []param{at(x), at(d), at(stats[0]), at(stats[1]), at(sums[0]), at(sums[1])},
			ints(outer, pos, groups, width))
		for i, p := range nd.Params {
			if p.Shape.Elems() != c { // one a group
				sums[i] = b.sum(nd, sums[i], groups, width, width, 1)
			}
			learn = append(learn, learned{i, sums[i]})
		}
	}
	if b.needs[nd.In[0]] {
		scale, one := ref{}, 0
		if len(nd.Params) > 0 {
			if scale = nd.operand(1); nd.Params[0].Shape.Elems() != c {
				one = 1
			}
		}
		to, add := b.into(nd, 0)
		nd.call("normgrad_f32", [3]int{outer * groups, 1, 1}, []param{at(x), at(d), at(stats[0]), at(stats[1]), at(scale), at(to)},
			ints(outer, pos, groups, width, one))
		add()
	}
	return learn, nil
}

// sum adds up times numbers, goneBy apart, for each of kept, keptBy apart.
func (b *backward) sum(nd *node, x ref, kept, keptBy, times, goneBy int) ref {
	y := nd.scratch(kept)
	nd.count("reduce_f32", kept, []param{at(x), at(y)}, ints(kept, times, int(ops.ReduceSum), 0),
		ints(six([]int{kept}, 1)...), ints(six([]int{keptBy}, 0)...), ints(six([]int{times}, 1)...), ints(six([]int{goneBy}, 0)...))
	return y
}

// prelu is the gradients of x and of slopes, one or one a channel.
func (b *backward) prelu(nd *node) ([]learned, error) {
	if len(nd.In) != 1 {
		return nil, fmt.Errorf("a slope that is computed has no gradient here")
	}
	slope, c := nd.Params[0].Shape, nd.Params[0].Shape.Elems()
	if c != 1 && (c != nd.Out.Shape.Channels() || slope.Dim(slope.Rank()-1) != c) {
		return nil, fmt.Errorf("slopes %v: one, or one a channel, have a gradient here", slope)
	}
	elems := nd.Out.Shape.Elems()
	var to, part ref
	add := func() {}
	if b.needs[nd.In[0]] {
		to, add = b.into(nd, 0)
	}
	learn := learns(b.c, b.g, nd.id, 0)
	if learn {
		part = nd.scratch(elems)
	}
	nd.count("prelugrad_f32", elems, []param{at(nd.operand(0)), at(b.grads[nd.id]), at(nd.weight(nd.Params[0])), at(to), at(part)}, ints(elems, c))
	add()
	if !learn {
		return nil, nil
	}
	if c > 1 {
		return []learned{{0, b.sum(nd, part, c, 1, elems/c, c)}}, nil
	}
	// By channels first: one thread would add up all of them.
	ch := nd.Out.Shape.Channels()
	return []learned{{0, b.sum(nd, b.sum(nd, part, ch, 1, elems/ch, ch), 1, 0, ch, 1)}}, nil
}

// globalPool shares the gradient of a mean among all positions.
func (b *backward) globalPool(nd *node, o *ops.GlobalPool) error {
	if o.Fn != ops.PoolAvg {
		return fmt.Errorf("only the mean has a gradient here")
	}
	x := nd.spec(0).Shape
	n, c := x.Dim(0), x.Channels()
	size := x.Elems() / (n * c)
	share := nd.scratch(n * c)
	nd.unary(unaryAffine, 1/float64(size), 0, b.grads[nd.id], share, n*c)
	to, add := b.into(nd, 0)
	nd.copy(share, to, []int{n, size, c}, []int{c, 0, 1}, 0, []int{size * c, c, 1}, 0)
	add()
	return nil
}
