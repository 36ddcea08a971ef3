// Package tflite imports TensorFlow Lite networks.
//
// TFLite's layouts are the graph's own: NHWC activations, [oc, kh, kw, ic]
// weights. Integer networks stay integer, with the scales and zero points that
// the file gives every tensor; hybrid ones (float activations, integer
// weights) and float16 weights are turned into float32 here.
package tflite

import (
	"fmt"
	"io"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Option changes how a network is imported.
type Option func(*importer)

// WithShape fixes the shape of the input of that name, for networks that leave
// dimensions open.
func WithShape(input string, dims []int) Option {
	return func(im *importer) { im.shapes[input] = dims }
}

// Import reads a .tflite file and builds its first graph. A file that is no
// TFLite file gives a *FormatError; operators that cannot be imported are
// reported all together in an *UnsupportedError.
func Import(r io.Reader, opts ...Option) (*graph.Graph, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("tflite: %w", err)
	}
	return Parse(b, opts...)
}

// Parse is Import from bytes. The graph's weights are views of b where its
// alignment allows.
func Parse(b []byte, opts ...Option) (*graph.Graph, error) {
	m, err := parse(b)
	if err != nil {
		return nil, err
	}
	im := &importer{
		m: m, b: graph.NewBuilder(m.graph.name), shapes: map[string][]int{},
		ids: make([]graph.ID, len(m.graph.tensors)), budget: 8*len(b) + 16<<20,
		known: map[int]tensor.Tensor{}, vectors: map[int][]int{}, spoiled: map[int]bool{}, phased: map[int]*phases{}, handlers: handlers(),
	}
	for _, o := range opts {
		if o != nil {
			o(im)
		}
	}
	return im.run()
}

// Metadata is the file's named metadata blobs, such as "TFLITE_METADATA".
func Metadata(b []byte) (map[string][]byte, error) {
	m, err := parse(b)
	if err != nil {
		return nil, err
	}
	return m.metadata, nil
}

// importer turns a decoded file into a graph.
type importer struct {
	m       *model
	b       *graph.Builder
	shapes  map[string][]int
	ids     []graph.ID            // node of each tensor, -1 where there is none yet
	known   map[int]tensor.Tensor // constants made on the way
	vectors map[int][]int         // shape arithmetic known now; see shapes.go
	spoiled map[int]bool          // tensors of operators that could not be imported
	phased  map[int]*phases       // tensors whose images are in phases; see dilated.go
	bad     UnsupportedError
	budget  int // bytes that may be made out of constants

	handlers map[int]handler
}

func (im *importer) run() (*graph.Graph, error) {
	g := &im.m.graph
	for i := range im.ids {
		im.ids[i] = -1
	}
	for _, t := range g.inputs {
		if err := im.input(t); err != nil {
			return nil, err
		}
	}
	for i := range g.operators {
		o := &g.operators[i]
		err := im.operator(o)
		if err == nil {
			err = im.b.Err()
			if err != nil { // the builder names the node
				return nil, fmt.Errorf("tflite: operator %d (%s): %w", i, o.code.name(), err)
			}
			continue
		}
		un, ok := err.(*refusal)
		if !ok {
			return nil, fmt.Errorf("tflite: operator %d (%s): %w", i, o.code.name(), err)
		}
		if un != errSpoiled {
			im.bad.Ops = append(im.bad.Ops, Unsupported{i, o.code.name(), im.outName(o), un.why, un.hint})
		}
		for _, t := range o.outputs {
			im.spoiled[t] = true
		}
	}
	if len(im.bad.Ops) > 0 {
		return nil, &im.bad
	}
	for _, t := range g.outputs {
		id, err := im.tensorValue(t)
		if err != nil {
			return nil, fmt.Errorf("tflite: output: %w", err)
		}
		im.b.Output(g.tensors[t].name, id)
	}
	out, err := im.b.Build()
	if err != nil {
		return nil, fmt.Errorf("tflite: %w", err)
	}
	return out, nil
}

// input declares a graph input.
func (im *importer) input(t int) error {
	x := &im.m.graph.tensors[t]
	d := dtype(x.typ)
	if d == tensor.Invalid {
		return fmt.Errorf("tflite: input %q is %s, which is not supported", x.name, typeName(x.typ))
	}
	dims, batched := x.shape, len(x.signature) > 0 && x.signature[0] < 0
	if fixed, ok := im.shapes[x.name]; ok {
		dims, batched = fixed, false
	} else {
		for i, s := range x.signature {
			if s < 0 && i > 0 {
				return fmt.Errorf("tflite: input %q leaves dimension %d of %v open; give its shape", x.name, i, x.signature)
			}
		}
	}
	s, err := tensor.NewShape(dims...)
	if err != nil {
		return fmt.Errorf("tflite: input %q: %w", x.name, err)
	}
	im.ids[t] = im.b.Input(x.name, tensor.Spec{DType: d, Shape: s, Quant: x.quant}, batched)
	return im.b.Err()
}

// operator imports one operator.
func (im *importer) operator(o *operator) error {
	h, ok := im.handlers[o.code.code]
	if !ok {
		return &refusal{"this operator is not supported", hintFor(o.code)}
	}
	if len(o.inputs) < h.in || len(o.outputs) < 1 {
		return fmt.Errorf("has %d inputs and %d outputs", len(o.inputs), len(o.outputs))
	}
	for _, t := range append(append([]int{}, o.inputs...), o.outputs...) {
		if t < 0 {
			continue
		}
		x := &im.m.graph.tensors[t]
		switch {
		case dtype(x.typ) == tensor.Invalid:
			return &refusal{"tensor " + quoted(x.name) + " is " + typeName(x.typ), "convert the model with float32, int8 or uint8 tensors"}
		case x.sparse:
			return &refusal{"tensor " + quoted(x.name) + " is stored sparse", "convert without sparse tensors"}
		case x.variable:
			return &refusal{"tensor " + quoted(x.name) + " is a variable", "stateful networks are not supported"}
		}
	}
	if im.foldShape(o) {
		return nil
	}
	for _, t := range o.inputs {
		if t >= 0 && im.spoiled[t] {
			return errSpoiled
		}
	}
	return h.f(im, o)
}

// tensorValue is the node that holds a tensor's value, a Constant made now if
// the tensor is one.
func (im *importer) tensorValue(t int) (graph.ID, error) {
	if t < 0 {
		return -1, fmt.Errorf("a required input is missing")
	}
	if im.ids[t] >= 0 {
		return im.ids[t], nil
	}
	x := &im.m.graph.tensors[t]
	if im.spoiled[t] {
		return -1, errSpoiled
	}
	if im.phased[t] != nil {
		return -1, refuse("", "reads %q, which comes from a SPACE_TO_BATCH_ND: only one convolution may, and then a BATCH_TO_SPACE_ND", x.name)
	}
	c, ok, err := im.tensorConst(t)
	if err != nil {
		return -1, err
	}
	if !ok {
		return -1, fmt.Errorf("tensor %d %q is read before anything computes it", t, x.name)
	}
	im.ids[t] = im.b.Const(x.name, c)
	return im.ids[t], im.b.Err()
}

// value is the node of input i of an operator.
func (im *importer) value(o *operator, i int) (graph.ID, error) {
	if i >= len(o.inputs) {
		return -1, fmt.Errorf("input %d is missing", i)
	}
	return im.tensorValue(o.inputs[i])
}

// has reports whether input i is given.
func (o *operator) has(i int) bool { return i < len(o.inputs) && o.inputs[i] >= 0 }

// spec is the spec of a value so far.
func (im *importer) spec(id graph.ID) tensor.Spec { return im.b.Spec(id) }

// declared is the file's tensor for output i.
func (im *importer) declared(o *operator, i int) *tflTensor { return &im.m.graph.tensors[o.outputs[i]] }

// outName names what o computes, for reports; an operator that nobody knows may
// have no output.
func (im *importer) outName(o *operator) string {
	if len(o.outputs) == 0 || o.outputs[0] < 0 {
		return ""
	}
	return im.declared(o, 0).name
}

// out is the OutType that output i is declared with, zero for float tensors.
func (im *importer) out(o *operator) ops.OutType {
	x := im.declared(o, 0)
	if d := dtype(x.typ); d.IsInt8() && x.quant.PerTensor() {
		s, z := x.quant.At(0)
		return ops.QuantOut(d, s, int(z))
	}
	return ops.OutType{}
}

// set gives output i of o its value. Where an operator cannot change the
// quantisation itself but the file declares another, it is rescaled.
func (im *importer) set(o *operator, i int, id graph.ID) error {
	if err := im.b.Err(); err != nil {
		return nil // reported by the caller, with the node
	}
	if i >= len(o.outputs) {
		return nil
	}
	x, s := im.declared(o, i), im.spec(id)
	d := dtype(x.typ)
	if s.DType != d {
		return fmt.Errorf("output %q is declared %v but computed as %v", x.name, d, s.DType)
	}
	if d.IsInt8() && x.quant.PerTensor() && !x.quant.Equal(s.Quant) {
		sc, z := x.quant.At(0)
		id = im.b.Add(x.name+"/rescale", &ops.Quantize{Out: ops.QuantOut(d, sc, int(z))}, nil, id)
	}
	im.ids[o.outputs[i]] = id
	return nil
}

// add appends a node named after the operator's first output and sets it.
func (im *importer) add(o *operator, op ops.Op, params []tensor.Tensor, in ...graph.ID) error {
	return im.set(o, 0, im.b.Add(im.outName(o), op, params, in...))
}
