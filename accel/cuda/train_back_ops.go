package cuda

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

// The gradients of what is no convolution: batch norm, concatenation and pools.

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
	if o.Fn != ops.PoolMax || o.Output != 0 || o.Act.Fn != ops.UnaryNone {
		return fmt.Errorf("only the maximum has a gradient here")
	}
	to, add := b.into(nd, 0)
	nd.count("maxgrad_f32", x.Elems(), []param{at(nd.operand(0)), at(b.grads[nd.id]), at(to)},
		ints(images*x.Dim(0), g.In[1], g.In[2], x.Channels(), g.Out[1], g.Out[2], g.Kernel[1], g.Kernel[2], g.Stride[1], g.Stride[2],
			g.Dilation[1], g.Dilation[2], g.PadLo[1], g.PadLo[2]))
	add()
	return nil
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
