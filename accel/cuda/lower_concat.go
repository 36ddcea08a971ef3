package cuda

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// part is where a value lies in a concatenation along channels: its rows are as
// far apart as the whole's.
type part struct {
	whole  graph.ID
	offset int // bytes
}

// join finds the values that only a concatenation reads and whose kernels can
// leave gaps between rows: they need no copy.
func (l *lowering) join() {
	l.parts, l.wholes = map[graph.ID]part{}, map[graph.ID]ref{}
	consumers := l.g.Consumers()
	for i := range l.g.Len() {
		n := l.g.Node(graph.ID(i))
		o, ok := n.Op.(*ops.Concat)
		if !ok {
			continue
		}
		rank := n.Out.Shape.Rank()
		if axis, ok := axisOf(o.Axis, rank); !ok || axis != rank-1 {
			continue
		}
		from := 0
		for _, x := range n.In {
			// Integers of another scale change on the way.
			if s := l.g.Node(x).Out; s.DType != n.Out.DType || !s.Quant.Equal(n.Out.Quant) {
				from += s.Shape.Dim(rank - 1)
				continue
			}
			if len(consumers[x]) == 1 && l.lastUse[x] == i && gaps(l.g.Node(x).Op) {
				l.parts[x] = part{graph.ID(i), from * l.bytes(graph.ID(i))}
			}
			from += l.g.Node(x).Out.Shape.Dim(rank - 1)
		}
	}
}

// gaps says whether an operator is one launch of a kernel that takes its rows'
// distance.
func gaps(o ops.Op) bool {
	var act ops.Act
	switch o := o.(type) {
	case *ops.Conv:
		act = o.Act
	case *ops.Dense:
		act = o.Act
	case *ops.Pool:
		return o.Act.Fn == ops.UnaryNone
	default:
		return false
	}
	_, after := fused(act)
	return !after
}

// place is memory for a value, in its concatenation's if it has one, and the
// distance of its rows there.
func (l *lowering) place(id graph.ID, first int) (ref, int) {
	whole := id
	p, isPart := l.parts[id]
	if isPart {
		whole = p.whole
	}
	r, ok := l.wholes[whole]
	if !ok {
		out := l.g.Node(whole).Out
		r = l.buffer(out.Shape.Elems()*l.bytes(whole), first, l.last(whole))
		if isPart {
			l.wholes[whole] = r
		}
	}
	if !isPart {
		return r, 0
	}
	r.offset += p.offset
	return r, l.g.Node(whole).Out.Shape.Channels()
}

// bytes is the size of an element of a value.
func (l *lowering) bytes(id graph.ID) int {
	switch {
	case l.g.Node(id).Out.DType.IsInt8():
		return 1
	case l.isWide(id):
		return 4
	}
	return l.size
}

// pitch is the distance of the result's rows in elements.
func (n *node) pitch() int {
	if n.rows > 0 {
		return n.rows
	}
	return n.Out.Shape.Channels()
}

// concat copies the operands that are not in place already.
func (n *node) concat(o *ops.Concat) error {
	axis, ok := axisOf(o.Axis, n.Out.Shape.Rank())
	if !ok {
		return fmt.Errorf("axis %d of %v", o.Axis, n.Out.Shape)
	}
	sy, from := dense(n.Out.Shape), 0
	for i := range len(n.In) + len(n.Params) {
		x := n.spec(i).Shape
		there := false
		if i < len(n.In) {
			_, there = n.parts[n.In[i]]
		}
		if !there {
			n.copy(n.operand(i), n.y, x.Dims(), dense(x), 0, sy, from*sy[axis])
		}
		from += x.Dim(axis)
	}
	return nil
}
