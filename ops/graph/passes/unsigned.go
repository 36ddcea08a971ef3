package passes

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Unsigned keeps signed 8-bit activations as unsigned ones, 128 added to numbers
// and zero points, wherever operators compute with the differences to the zero
// point alone: the same numbers for a processor whose products want one operand
// unsigned. Inputs and results stay as they are. A graph without integer
// products is left alone.
func Unsigned(g *graph.Graph) (*graph.Graph, error) {
	if g != nil && !hasSignedProduct(g) { // nil is Rewrite's to refuse
		return g, nil
	}
	u := &unsigner{up: map[graph.ID]graph.ID{}, down: map[graph.ID]graph.ID{}}
	h, err := graph.Rewrite(g, func(b *graph.Builder, id graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		return u.node(g, b, id, nd, in)
	})
	if err != nil {
		return nil, err
	}
	return dead(h)
}

func hasSignedProduct(g *graph.Graph) bool {
	for i := range g.Len() {
		nd := g.Node(graph.ID(i))
		switch nd.Op.(type) {
		case *ops.Conv, *ops.Dense:
			if len(nd.In) > 0 && signed(g.Node(nd.In[0]).Out) {
				return true
			}
		}
	}
	return false
}

// signed says that s is a signed 8-bit activation with one scale.
//
//go:noinline
func signed(s tensor.Spec) bool { return s.DType == tensor.I8 && s.Quant.PerTensor() }

// unsigner knows values in both forms: of a signed one its unsigned twin, and
// the other way round.
type unsigner struct{ up, down map[graph.ID]graph.ID }

func (u *unsigner) node(g *graph.Graph, b *graph.Builder, id graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
	op, params := twin(g, nd)
	for i, x := range in {
		switch s := b.Spec(x); {
		case op != nil && signed(s):
			in[i] = convert(b, x, u.up, u.down, tensor.U8, 128)
		case op == nil && signed(g.Node(nd.In[i]).Out) && s.DType == tensor.U8:
			in[i] = convert(b, x, u.down, u.up, tensor.I8, -128)
		}
	}
	if op == nil {
		return b.Keep(nd, in)
	}
	out := b.Add(nd.Name, op, params, in...)
	if signed(nd.Out) && g.IsOutput(id) {
		return convert(b, out, u.down, u.up, tensor.I8, -128)
	}
	return out
}

// convert is x with numbers and zero point moved; known holds what there is, back the way from it.
func convert(b *graph.Builder, x graph.ID, known, back map[graph.ID]graph.ID, d tensor.DType, by int) graph.ID {
	y, ok := known[x]
	if !ok {
		scale, zero := b.Spec(x).Quant.At(0)
		y = b.Add(b.Node(x).Name+"/"+d.String(), &ops.Quantize{Out: ops.QuantOut(d, scale, int(zero)+by)}, nil, x)
		known[x], back[y] = y, x
	}
	return y
}

// twin is nd's operator and parameters on unsigned activations; nil where
// the result may depend on more than differences to the zero point, or where
// only some of the activations are signed.
func twin(g *graph.Graph, nd *graph.Node) (ops.Op, []tensor.Tensor) {
	for _, x := range nd.In {
		if s := g.Node(x).Out; s.DType != tensor.F32 && !signed(s) {
			return nil, nil
		}
	}
	if nd.Out.DType != tensor.F32 && !signed(nd.Out) {
		return nil, nil
	}
	params := nd.Params
	var op ops.Op
	switch o := nd.Op.(type) {
	case *ops.Conv:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Dense:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Binary:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
		params = nil
		for _, p := range nd.Params {
			if !signed(p.Spec) {
				return nil, nil
			}
			params = append(params, unsignedParam(p))
		}
	case *ops.Unary:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Pool:
		if o.Fn != ops.PoolMax || o.Output != 0 { // an average may round stored integers
			return nil, nil
		}
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.GlobalPool:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Softmax:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Concat:
		for _, x := range nd.In { // others are rounded with their zero points
			if !g.Node(x).Out.Quant.Equal(nd.Out.Quant) {
				return nil, nil
			}
		}
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Quantize:
		c := *o
		c.Out, op = unsignedOut(o.Out), &c
	case *ops.Dequantize, *ops.Reshape, *ops.Transpose, *ops.Slice:
		op = o
	default:
		return nil, nil
	}
	if touches(g, nd) && (nd.Op.Kind() == ops.KindBinary || nd.Op.Kind() == ops.KindConv || nd.Op.Kind() == ops.KindDense || len(params) == 0) {
		return op, params
	}
	return nil, nil
}

// touches says that nd reads or makes a signed activation.
func touches(g *graph.Graph, nd *graph.Node) bool {
	for _, x := range nd.In {
		if signed(g.Node(x).Out) {
			return true
		}
	}
	return signed(nd.Out)
}

// unsignedOut moves an explicit result type.
func unsignedOut(o ops.OutType) ops.OutType {
	if o.DType == tensor.I8 {
		o.DType, o.Zero = tensor.U8, o.Zero+128
	}
	return o
}

// unsignedParam is a constant activation moved.
func unsignedParam(p tensor.Tensor) tensor.Tensor {
	scale, zero := p.Quant.At(0)
	p.Spec.DType, p.Spec.Quant = tensor.U8, tensor.Affine(scale, int(zero)+128)
	data := make([]byte, len(p.Data))
	for i, v := range p.Data {
		data[i] = v ^ 0x80
	}
	p.Data = data
	return p
}
