package onnx

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Quantised networks come as float operators between DequantizeLinear and
// QuantizeLinear. When a QuantizeLinear with a known scale is met, the operator
// before it becomes one of integers if it has such a form and all its operands
// were integers; the float one is left without readers.

// integers remembers what a constant that was dequantised while importing is
// made of, under the float data that operators see.
type integers map[*byte]tensor.Tensor

func (m integers) put(real, quant tensor.Tensor) {
	if len(real.Data) > 0 && !quant.IsZero() {
		m[&real.Data[0]] = quant
	}
}

func (m integers) get(real tensor.Tensor) tensor.Tensor {
	if len(real.Data) == 0 {
		return tensor.Tensor{}
	}
	return m[&real.Data[0]]
}

// putPermuted remembers the integers of real, a copy of the constant of with
// its axes reordered.
func (m integers) putPermuted(real, of tensor.Tensor, perm []int) {
	q := m.get(of)
	if q.IsZero() {
		return
	}
	t := permute(q, perm)
	if len(t.Quant.Scale) > 1 {
		t.Quant.Axis = slices.Index(perm, q.Quant.Axis)
	}
	m.put(real, t)
}

// noteIntegers remembers y, the dequantised form of the constant x.
func (c *call) noteIntegers(y *value, x *value) {
	s, z := c.in[1], c.arg(2)
	if !s.isConst() || s.c.DType != tensor.F32 || (z != nil && !z.isConst()) || x.rank() == 0 && s.rank() > 0 {
		return
	}
	q := x.c
	q.Quant = tensor.Quant{Scale: s.c.F32()}
	if len(q.Quant.Scale) > 1 {
		axis, err := axisIn(c.int("axis", 1), x.rank())
		if err != nil {
			return
		}
		q.Quant.Axis = axis
	}
	if z != nil {
		zeros := make([]int32, z.c.Shape.Elems())
		some := false
		for i := range zeros {
			f, err := hostFloat(z.c, i)
			if err != nil {
				return
			}
			zeros[i] = int32(f)
			some = some || zeros[i] != 0
		}
		if some {
			q.Quant.Zero = zeros
		}
	}
	if q.Check() == nil {
		c.ints8.put(y.c, q)
	}
}

// fuseQuantized is the integer form of the operator that computed x, giving
// the type out, or nil.
func (c *call) fuseQuantized(x *value, out ops.OutType) *value {
	h := x
	if x.nhwc != nil {
		h = x.nhwc
	}
	if c.o.float || h.isConst() || h.id < 0 {
		return nil
	}
	if q, ok := c.quantizedInput(h.id, 0); ok { // only moved, or not even that
		s := c.b.Spec(q)
		if s.DType == out.DType && s.Quant.Equal(tensor.Affine(out.Scale, out.Zero)) {
			return c.asLayout(x, &value{im: c.importer, name: c.outName(0), id: q})
		}
	}
	n := c.b.Node(h.id)
	var act ops.Act
	if u, ok := n.Op.(*ops.Unary); ok && (u.Fn == ops.UnaryRelu || u.Fn == ops.UnaryClip) {
		if y := c.fuseNode(c.b.Node(n.In[0]), ops.Act{Fn: u.Fn, A: u.A, B: u.B}, out); y != nil {
			return c.asLayout(x, y)
		}
	}
	if y := c.fuseNode(n, act, out); y != nil {
		return c.asLayout(x, y)
	}
	return nil
}

// asLayout gives y, computed in x's place, x's layout.
func (c *call) asLayout(x, y *value) *value {
	if x.nhwc == nil {
		return y
	}
	return &value{im: c.importer, name: x.name, id: -1, nhwc: y}
}

// fuseNode adds the integer form of n with act applied, or gives nil.
func (c *call) fuseNode(n *graph.Node, act ops.Act, out ops.OutType) *value {
	op, weights := integerForm(n.Op, act, out)
	if op == nil || len(n.In) == 0 {
		return nil
	}
	in := make([]graph.ID, len(n.In))
	for i, id := range n.In {
		var ok bool
		if in[i], ok = c.quantizedInput(id, 0); !ok {
			return nil
		}
	}
	params := make([]tensor.Tensor, len(n.Params))
	for i, p := range n.Params {
		params[i] = c.ints8.get(p)
		if weights && i == 1 {
			params[i] = biasIntegers(p, params[i], c.b.Spec(in[0]), params[0])
		}
		if params[i].IsZero() {
			return nil
		}
	}
	specs := make([]tensor.Spec, len(in))
	for i, id := range in {
		specs[i] = c.b.Spec(id)
	}
	spec, err := op.Infer(specs, ops.Specs(params))
	if err != nil {
		return nil
	}
	if _, err := op.Prepare(&ops.Prep{In: specs, Params: params, Out: spec, Threads: 1, Reference: true}); err != nil {
		return nil
	}
	y, err := c.addNode(c.outName(0), op, params, in)
	if err != nil {
		return nil
	}
	return y
}

// integerForm is a copy of op that gives out; weights says that its parameters
// are a weight and a bias.
func integerForm(op ops.Op, act ops.Act, out ops.OutType) (_ ops.Op, weights bool) {
	none := act.Fn == ops.UnaryNone
	switch o := op.(type) {
	case *ops.Conv:
		if o.Act.Fn == ops.UnaryNone && !o.Residual {
			q := *o
			q.Act, q.Out = act, out
			return &q, true
		}
	case *ops.ConvTranspose:
		if o.Act.Fn == ops.UnaryNone {
			q := *o
			q.Act, q.Out = act, out
			return &q, true
		}
	case *ops.Dense:
		if o.Act.Fn == ops.UnaryNone && !o.Residual {
			q := *o
			q.Act, q.Out = act, out
			return &q, true
		}
	case *ops.Binary:
		if o.Act.Fn == ops.UnaryNone {
			q := *o
			q.Act, q.Out = act, out
			return &q, false
		}
	case *ops.MatMul:
		if o.Act.Fn == ops.UnaryNone {
			q := *o
			q.Act, q.Out = act, out
			return &q, false
		}
	case *ops.Pool:
		if none && o.Act.Fn == ops.UnaryNone && o.Output == 0 {
			q := *o
			q.Out = out
			return &q, false
		}
	}
	if !none {
		return nil, false
	}
	switch o := op.(type) {
	case *ops.GlobalPool:
		q := *o
		q.Out = out
		return &q, false
	case *ops.Concat:
		q := *o
		q.Out = out
		return &q, false
	case *ops.Softmax:
		q := *o
		q.Out = out
		return &q, false
	case *ops.Unary:
		q := *o
		q.Out = out
		return &q, false
	case *ops.Reduce:
		q := *o
		q.Out = out
		return &q, false
	case *ops.Resize:
		q := *o
		q.Out = out
		return &q, false
	}
	return nil, false
}

// quantizedInput is the integer value that id is the dequantised form of.
// Operators that only move elements are repeated on the integers.
func (c *call) quantizedInput(id graph.ID, depth int) (graph.ID, bool) {
	n := c.b.Node(id)
	if len(n.In) != 1 || len(n.Params) != 0 || depth > 4 {
		return 0, false
	}
	switch o := n.Op.(type) {
	case *ops.Pad:
		if o.Mode == ops.PadConstant && o.Value != 0 {
			return 0, false
		}
	case *ops.Transpose, *ops.Reshape, *ops.Slice, *ops.Identity, *ops.DepthToSpace, *ops.SpaceToDepth:
	case *ops.Dequantize:
		return n.In[0], !c.b.Spec(n.In[0]).Quant.IsZero()
	default:
		return 0, false
	}
	inner, ok := c.quantizedInput(n.In[0], depth+1)
	if !ok {
		return 0, false
	}
	y, err := c.addNode(n.Name+"_q", n.Op, nil, []graph.ID{inner})
	if err != nil {
		return 0, false
	}
	return y.id, true
}

// biasIntegers is a bias in units of the product's scale: as the file has it
// where it does, else rounded.
func biasIntegers(real, quant tensor.Tensor, x tensor.Spec, w tensor.Tensor) tensor.Tensor {
	if w.IsZero() || !x.Quant.PerTensor() || real.DType != tensor.F32 {
		return tensor.Tensor{}
	}
	sx, _ := x.Quant.At(0)
	n := real.Shape.Elems()
	if len(w.Quant.Scale) != 1 && len(w.Quant.Scale) != n {
		return tensor.Tensor{}
	}
	if quant.DType == tensor.I32 && sameBiasScale(quant, sx, w) {
		quant.Quant = tensor.Quant{}
		return quant
	}
	b := make([]int32, n)
	for i, v := range real.F32() {
		sw, _ := w.Quant.At(i)
		r := math.RoundToEven(float64(v) / (float64(sx) * float64(sw)))
		if !(math.Abs(r) < 1<<31) {
			return tensor.Tensor{}
		}
		b[i] = int32(r)
	}
	return tensor.FromI32(b, n)
}

func sameBiasScale(b tensor.Tensor, sx float32, w tensor.Tensor) bool {
	for i := range b.Shape.Elems() {
		sb, zero := b.Quant.At(i)
		sw, _ := w.Quant.At(i)
		if p := sx * sw; zero != 0 || math.Abs(float64(sb-p)) > 1e-4*float64(p) {
			return false
		}
	}
	return true
}
