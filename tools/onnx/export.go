package onnx

import (
	"fmt"
	"io"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// What exported files say they are. Operator set 18 has all that Teff needs
// but a few functions, which are written out.
const (
	exportOpset = 18
	exportIR    = 8
)

// ExportOption changes what Export writes.
type ExportOption func(*exportOptions)

type exportOptions struct{ metadata map[string]string }

// WithMetadata adds properties to the model, which Metadata reads and other
// programs leave alone.
func WithMetadata(props map[string]string) ExportOption {
	return func(o *exportOptions) { o.metadata = props }
}

// Export writes a graph as ONNX. Inputs and outputs keep names and layout;
// inside, layout-bound operators work on NCHW as ONNX has it, with transposes
// where the two meet. Quantised values are integers between QuantizeLinear and
// DequantizeLinear. An *UnsupportedError lists nodes that ONNX cannot say.
func Export(to io.Writer, g *graph.Graph, opts ...ExportOption) error {
	var o exportOptions
	for _, f := range opts {
		f(&o)
	}
	if g == nil {
		return fmt.Errorf("onnx: %w", graph.ErrNil)
	}
	e := &exporter{g: g, w: &writer{names: map[string]bool{}}, vals: make([]exported, g.Len()), exporters: exporters()}
	var inputs, outputs []message
	for _, id := range g.Inputs() {
		e.w.names[g.Node(id).Name] = true
	}
	for _, o := range g.Outputs() {
		e.w.names[o.Name] = true
	}
	for i := range g.Len() {
		id := graph.ID(i)
		n := g.Node(id)
		if in, ok := n.Op.(*ops.Input); ok {
			e.vals[i] = exported{plain: n.Name}
			batch := ""
			if in.Batch {
				batch = "batch"
			}
			inputs = append(inputs, valueProto(n.Name, n.Out, batch))
			continue
		}
		if err := e.node(id, n); err != nil {
			e.bad = append(e.bad, Unsupported{Node: n.Name, Op: n.Op.Kind().String(), Why: err.Error(), Err: err})
			e.vals[i] = exported{plain: "unsupported"}
		}
	}
	if len(e.bad) > 0 {
		return &UnsupportedError{e.bad}
	}
	varying, err := varyingOutputs(g)
	if err != nil {
		return err
	}
	// A name is one value's: an output that is an input is no node's, and one that
	// only has an input's name, or another output's, gets one of its own.
	listed, computed := map[string]bool{}, map[string]bool{}
	for _, id := range g.Inputs() {
		computed[g.Node(id).Name] = true
	}
	for i, o := range g.Outputs() {
		name, from := o.Name, e.plain(o.ID)
		if from != name || listed[name] {
			if computed[name] {
				name = e.w.fresh(name)
			}
			e.w.node("Identity", []string{from}, []string{name}, nil)
		}
		listed[name], computed[name] = true, true
		outputs = append(outputs, valueProto(name, g.Node(o.ID).Out, varying[i]))
	}
	return e.w.model(to, g.Name(), inputs, outputs, o.metadata)
}

// varyingOutputs names the batch where an output's first dimension is it.
func varyingOutputs(g *graph.Graph) ([]string, error) {
	names := make([]string, len(g.Outputs()))
	if !g.Batched() {
		return names, nil
	}
	h, err := g.WithBatch(g.Batch() + 1)
	if err != nil {
		return names, nil // it only runs at this batch
	}
	for i, o := range g.Outputs() {
		a, b := g.Node(o.ID).Out.Shape, h.Node(o.ID).Out.Shape
		if a.Rank() > 0 && a.Dim(0) != b.Dim(0) {
			names[i] = "batch"
		}
	}
	return names, nil
}

// exported is a value's ONNX names: as the graph has it, and as NCHW where it
// stands for an image. Either may be missing until asked for.
type exported struct{ plain, nchw string }

type exporter struct {
	g    *graph.Graph
	w    *writer
	vals []exported
	bad  []Unsupported
	real map[string]string // dequantised forms, by the integer's name

	exporters map[ops.Kind]exportFunc
}

func (e *exporter) spec(id graph.ID) tensor.Spec { return e.g.Node(id).Out }

// plain is the name of a value in the graph's layout.
func (e *exporter) plain(id graph.ID) string {
	v := &e.vals[id]
	if v.plain == "" {
		v.plain = e.transpose(v.nchw, toNHWC(e.spec(id).Shape.Rank()))
	}
	return v.plain
}

// nchw is the name of a value with its channels second.
func (e *exporter) nchw(id graph.ID) string {
	v := &e.vals[id]
	rank := e.spec(id).Shape.Rank()
	if rank < 3 {
		return e.plain(id)
	}
	if v.nchw == "" {
		v.nchw = e.transpose(v.plain, toNCHW(rank))
	}
	return v.nchw
}

func (e *exporter) transpose(name string, perm []int) string {
	var a attrs
	a.ints("perm", perm)
	return e.emit("Transpose", name+"_t", &a, name)
}

// emit writes a node with one output and returns the output's name.
func (e *exporter) emit(op, base string, a *attrs, in ...string) string {
	out := e.w.fresh(base)
	e.w.node(op, in, []string{out}, a)
	return out
}

// operand is operand i of a node (inputs, then parameters) in the graph's
// layout, real numbers where it is quantised. ok is false where there is none.
func (e *exporter) operand(n *graph.Node, i int) (name string, ok bool) {
	if i < len(n.In) {
		return e.toReal(e.plain(n.In[i]), e.spec(n.In[i])), true
	}
	if i -= len(n.In); i < len(n.Params) {
		return e.param(n, n.Params[i], i), true
	}
	return "", false
}

// param writes a parameter as it is.
func (e *exporter) param(n *graph.Node, t tensor.Tensor, i int) string {
	if i == 1 {
		t.Quant = e.biasScale(n, t)
	}
	return e.toReal(e.w.constant(fmt.Sprintf("%s_p%d", n.Name, i), t), t.Spec)
}

// biasScale is what the bias of an integer product counts in: where its spec is
// silent, the input's scale times the weight's.
func (e *exporter) biasScale(n *graph.Node, bias tensor.Tensor) tensor.Quant {
	switch n.Op.Kind() {
	case ops.KindConv, ops.KindConvTranspose, ops.KindDense:
	default:
		return bias.Quant
	}
	x, w := e.spec(n.In[0]), n.Params[0]
	if bias.DType != tensor.I32 || quantised(bias.Spec) || !quantised(x) || !quantised(w.Spec) {
		return bias.Quant
	}
	in, _ := x.Quant.At(0)
	scale := make([]float32, len(w.Quant.Scale))
	for i, s := range w.Quant.Scale {
		scale[i] = in * s
	}
	if len(scale) == 1 {
		return tensor.Affine(scale[0], 0)
	}
	return tensor.PerChannel(scale, 0)
}

// operandNCHW is operand with the second dimension's place at the end undone:
// images, and weights of convolutions.
func (e *exporter) operandNCHW(n *graph.Node, i int) (name string, ok bool) {
	if i < len(n.In) {
		return e.toReal(e.nchw(n.In[i]), withAxis(e.spec(n.In[i]))), true
	}
	if i -= len(n.In); i < len(n.Params) {
		t := n.Params[i]
		if r := t.Shape.Rank(); r >= 3 {
			t = permute(t, toNCHW(r))
			t.Spec = withAxis(tensor.Spec{DType: t.DType, Shape: t.Shape, Quant: n.Params[i].Quant})
		}
		return e.param(n, t, i), true
	}
	return "", false
}

// withAxis is a spec whose quantised axis follows an NHWC to NCHW transpose.
func withAxis(s tensor.Spec) tensor.Spec {
	if r := s.Shape.Rank(); len(s.Quant.Scale) > 1 && r >= 3 {
		s.Quant.Axis = slices.Index(toNCHW(r), s.Quant.Axis)
	}
	return s
}

// operandSpec is the spec of operand i.
func (e *exporter) operandSpec(n *graph.Node, i int) tensor.Spec {
	if i < len(n.In) {
		return e.spec(n.In[i])
	}
	if i -= len(n.In); i < len(n.Params) {
		return n.Params[i].Spec
	}
	return tensor.Spec{}
}

// count is the number of operands.
func count(n *graph.Node) int { return len(n.In) + len(n.Params) }

// names are operands from i on in the graph's layout.
func (e *exporter) names(n *graph.Node, i int) []string {
	var r []string
	for ; i < count(n); i++ {
		s, _ := e.operand(n, i)
		r = append(r, s)
	}
	return r
}

// quantised reports whether integers stand for other numbers.
func quantised(s tensor.Spec) bool { return !s.Quant.IsZero() }

// toReal puts a DequantizeLinear behind a quantised value.
func (e *exporter) toReal(name string, s tensor.Spec) string {
	if !quantised(s) {
		return name
	}
	if r, ok := e.real[name]; ok {
		return r
	}
	scale, zero := e.quant(name, s)
	var a attrs
	a.int("axis", s.Quant.Axis)
	r := e.emit("DequantizeLinear", name+"_real", &a, name, scale, zero)
	if e.real == nil {
		e.real = map[string]string{}
	}
	e.real[name] = r
	return r
}

// quant writes the scale and zero point of s.
func (e *exporter) quant(base string, s tensor.Spec) (scale, zero string) {
	n := len(s.Quant.Scale)
	z := tensor.New(tensor.Spec{DType: s.DType, Shape: tensor.Of(n)})
	for i := range n {
		_, v := s.Quant.At(i)
		if s.DType == tensor.I32 {
			z.I32()[i] = v
		} else {
			z.Data[i] = byte(v)
		}
	}
	x := tensor.FromF32(s.Quant.Scale, n)
	if n == 1 {
		x.Shape, z.Shape = tensor.Of(), tensor.Of()
	}
	return e.w.constant(base+"_scale", x), e.w.constant(base+"_zero", z)
}

// setPlain and setNCHW name a node's value, quantised where the graph says so.
func (e *exporter) setPlain(id graph.ID, name string) { e.vals[id].plain = e.fromReal(id, name) }

func (e *exporter) setNCHW(id graph.ID, name string) {
	if e.spec(id).Shape.Rank() < 3 {
		e.setPlain(id, name)
		return
	}
	e.vals[id].nchw = e.fromReal(id, name)
}

func (e *exporter) fromReal(id graph.ID, name string) string {
	s := e.spec(id)
	if !quantised(s) {
		return name
	}
	scale, zero := e.quant(e.g.Node(id).Name, s)
	return e.emit("QuantizeLinear", e.g.Node(id).Name+"_q", nil, name, scale, zero)
}

// node writes one node.
func (e *exporter) node(id graph.ID, n *graph.Node) error {
	f, ok := e.exporters[n.Op.Kind()]
	if !ok {
		return fmt.Errorf("ONNX has no such operator")
	}
	return f(e, id, n)
}
