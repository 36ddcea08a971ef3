package cuda

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Rounding to 10 bits of fraction or fewer matters most where few numbers make one,
// for then the errors do not cancel: depthwise convolutions' nine taps, products
// over few terms, scores that a softmax takes the exponential of. Memory bounds all
// these on a device, so they compute in float32; what only they read is stored as
// float32. Products that stay on tensor cores have weights in two parts where memory
// bounds them, too.

// thin is the most terms of a product that is made in float32, plain the most
// multiply-adds for each number that comes or goes, KH*KW*C*OC/(C+OC): an H100 makes
// 20 operations in the time of a byte's way, 40 multiply-adds in that of a number of
// four bytes. 64 channels to 128 are 42.7.
const thin, plain = 64, 43

// splits bounds the same number for products whose weights have two parts: on tensor
// cores an H100 makes 295 operations in the time of a byte's way, twice 147
// multiply-adds in that of a number of two bytes. No device has more.
const splits = 147

// widen finds the nodes that compute in float32 and the values that are stored so:
// the most for which every operator gets operands of one type. A product on tensor
// cores takes operands of two bytes, but its residual may be either, and its result;
// a product's that is made in float32 may be either; others have one type throughout.
func (l *lowering) widen() {
	l.full, l.wide = make([]bool, l.g.Len()), make([]bool, l.g.Len())
	for i := range l.full {
		l.full[i], l.wide[i] = l.mayBeFull(graph.ID(i)), true
	}
	if l.size == 4 {
		return
	}
	for again := true; again; {
		again = false
		narrow := func(id graph.ID) {
			if l.wide[id] && l.g.Node(id).Op.Kind() != ops.KindConstant {
				l.wide[id], again = false, true
			}
		}
		for i := l.g.Len() - 1; i >= 0; i-- {
			n, product := l.g.Node(graph.ID(i)), l.isProduct(graph.ID(i))
			kind := n.Op.Kind()
			for _, x := range n.In {
				l.full[i] = l.full[i] && l.wide[x]
			}
			l.full[i] = l.full[i] && (l.wide[i] || kind == ops.KindConv || kind == ops.KindDense || kind == ops.KindInput)
			if l.full[i] {
				continue
			}
			if !product && kind != ops.KindInput {
				narrow(graph.ID(i))
			}
			for j, x := range n.In {
				if !product || j != residualOf(n.Op) {
					narrow(x)
				}
			}
		}
	}
	for i := range l.full { // an input is brought in the type it is stored in
		if l.g.Node(graph.ID(i)).Op.Kind() == ops.KindInput {
			l.full[i] = l.wide[i]
		}
	}
}

// mayBeFull says what computes in float32 where its operands allow it.
func (l *lowering) mayBeFull(id graph.ID) bool {
	n := l.g.Node(id)
	for _, x := range n.In {
		if l.g.Node(x).Out.DType != tensor.F32 {
			return false
		}
	}
	if n.Out.DType != tensor.F32 {
		return false
	}
	switch o := n.Op.(type) {
	case *ops.Conv:
		return depthwise(o, l.g.Node(n.In[0]).Out) || l.isThin(id)
	case *ops.Dense:
		return l.isThin(id)
	case *ops.Unary:
		return o.Fn == ops.UnaryNone
	case *ops.Input, *ops.Constant, *ops.Softmax, *ops.Reshape, *ops.Identity, *ops.Dropout:
		return true
	}
	return false
}

// isProduct says what tensor cores may do.
func (l *lowering) isProduct(id graph.ID) bool {
	n := l.g.Node(id)
	switch o := n.Op.(type) {
	case *ops.Conv:
		return !depthwise(o, l.g.Node(n.In[0]).Out)
	case *ops.Dense:
		return true
	}
	return false
}

func depthwise(o *ops.Conv, x tensor.Spec) bool {
	return o.Groups > 1 && o.Groups == x.Shape.Channels()
}

// isThin says whether a product's results are sums of few terms, and cheap.
func (l *lowering) isThin(id graph.ID) bool {
	n := &node{lowering: l, Node: l.g.Node(id)}
	wi, _, _ := n.product(residualOf(n.Op) > 0)
	w, groups := n.spec(wi).Shape, 1
	if o, ok := n.Op.(*ops.Conv); ok {
		groups = max(1, o.Groups)
	}
	terms, c, oc := w.Elems()/w.Dim(0), w.Channels(), w.Dim(0)/groups
	return terms <= thin && terms*oc <= plain*(c+oc)
}

// residualOf is which operand is a residual, -1: none.
func residualOf(o ops.Op) int {
	switch o := o.(type) {
	case *ops.Conv:
		if o.Residual {
			return 1
		}
	case *ops.Dense:
		if o.Residual {
			return 1
		}
	}
	return -1
}

func (l *lowering) isWide(id graph.ID) bool { return l.wide != nil && l.wide[id] }

func (l *lowering) isFull(id graph.ID) bool {
	return l.full != nil && l.full[id] && (l.size != 4 || l.numbers.product != "")
}

// The words of the parameter act of convolutions.
const (
	storesHalf, storesBfloat = 2, 4 // conv_f32's and dwconv_f32's result
	storesFloat, addsFloat   = 2, 4 // result and residual of products of two bytes
	twoParts                 = 8    // weights on tensor cores
)

// stores says which types a convolution has beside its own.
func (n *node) stores(residual bool) (bits int) {
	switch {
	case n.lowering.size == 4:
		return 0
	case n.size == 4:
		if !n.isWide(n.id) {
			bits = map[string]int{"f16": storesHalf, "bf16": storesBfloat}[n.lowering.element]
		}
	default:
		if n.isWide(n.id) {
			bits = storesFloat
		}
		if residual && n.isWide(n.In[1]) {
			bits |= addsFloat
		}
	}
	return bits
}

// splits says whether a product's weights have two parts.
func (n *node) splits(v *window, wi int) bool {
	if _, known := n.known(wi); !known {
		return false
	}
	c, oc := v.c/v.groups, v.oc/v.groups
	return v.kernel[0]*v.kernel[1]*c*oc <= splits*(c+oc)
}
