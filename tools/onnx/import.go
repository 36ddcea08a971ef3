package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// nominalBatch stands for an open batch while a graph is built: a prime that no
// real network has among its extents.
const nominalBatch = 1009

// Import reads a model. Errors wrap ErrFormat for bytes that are no ONNX model;
// an *UnsupportedError lists all that Teff cannot do, a *ShapeError names an
// input whose shape must be given.
func Import(r io.Reader, opts ...Option) (*graph.Graph, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return ImportBytes(b, opts...)
}

// ImportFile is Import for a file; external data is found beside it.
func ImportFile(path string, opts ...Option) (*graph.Graph, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return ImportBytes(b, append([]Option{WithDir(filepath.Dir(path))}, opts...)...)
}

// ImportBytes is Import for a model in memory. Weights may stay slices of b,
// which must not change afterwards.
func ImportBytes(b []byte, opts ...Option) (*graph.Graph, error) {
	var o options
	for _, f := range opts {
		if f != nil {
			f(&o)
		}
	}
	if o.batch < 0 {
		return nil, fmt.Errorf("onnx: batch %d", o.batch)
	}
	m, err := parseModel(b)
	if err != nil {
		return nil, err
	}
	g, err := importModel(m, &o, len(b))
	if err != nil || o.raw {
		return g, err
	}
	if g, err = passes.Import(g); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return g, nil
}

// importer turns one model into one graph.
type importer struct {
	b      *graph.Builder
	m      *model
	o      *options
	src    *source
	batch  int // that the graph is built with
	open   bool
	opset  int64
	vals   map[string]*value
	funcs  map[string]*function
	depth  int // of functions and branches being expanded
	nodes  int // expanded so far
	budget int // bytes that constants may still take which the file does not hold, see makes
	copied int // bytes of copies of those that it holds, see copies
	size   int // of the file

	batched graph.ID // an input with the open batch
	mask    graph.ID // see batchMask; 0: not made

	ints8   integers
	readers map[string][]*node // by what they read, see inputQuant

	handlers map[string]map[string]handler // by domain and operator
	half     map[string]bool               // operators, see computesHalf

	unsupported []Unsupported
}

func importModel(m *model, o *options, size int) (*graph.Graph, error) {
	im := &importer{m: m, o: o, src: &source{dir: o.dir}, vals: map[string]*value{}, funcs: map[string]*function{}, ints8: integers{}, budget: 32<<20 + size, size: size, handlers: map[string]map[string]handler{"": operators(), "com.microsoft": microsoftOps()}, half: computesHalf()}
	im.opset = m.opset[""]
	switch {
	case im.opset == 0: // a model of other domains only, or one from before versions
		im.opset = 1
	case im.opset < 0 || im.opset > maxOpset:
		return nil, formatf("operator set %d", im.opset)
	}
	for _, f := range m.functions {
		im.funcs[f.domain+"\x00"+f.name] = f
	}
	specs, err := im.inputSpecs()
	if err != nil {
		return nil, err
	}
	im.b = graph.NewBuilderBatch(m.graph.name, im.batch)
	if err := im.constants(m.graph); err != nil {
		return nil, err
	}
	for _, s := range specs {
		if s.spec.DType.IsInt8() {
			s.spec.Quant = im.inputQuant(s.name)
			if s.spec.Quant.Check(s.spec.DType, s.spec.Shape) != nil {
				s.spec.Quant = tensor.Quant{}
			}
		}
		id := im.b.Input(s.name, s.spec, s.batched)
		if s.batched {
			im.batched = id
		}
		v := &value{im: im, name: s.name, id: id}
		if t, ok := o.values[s.name]; ok {
			v.hint = t
		}
		im.vals[s.name] = v
	}
	if err := im.b.Err(); err != nil {
		return nil, err
	}
	if err := im.run(m.graph.nodes); err != nil {
		return nil, err
	}
	return im.finish()
}

// constants makes values of the initialisers. Types that Teff lacks only count
// when something uses them.
func (im *importer) constants(g *graphProto) error {
	if g.sparse > 0 {
		im.refuse(Unsupported{Node: g.name, Op: "initializer", Why: fmt.Sprintf("%d sparse tensors", g.sparse), Hint: "store them dense"})
	}
	for _, t := range g.initializers {
		v, err := im.constant(t)
		if err != nil {
			return err
		}
		v.name = t.name
		im.vals[t.name] = v
	}
	return nil
}

// constant is the value of a tensor in the file.
func (im *importer) constant(t *tensorProto) (*value, error) {
	v := &value{im: im, name: t.name, id: -1}
	if t.dtype == typeDouble {
		f, err := t.doubles(im.src)
		if err != nil {
			return nil, err
		}
		s, err := t.shape()
		if err != nil {
			return nil, err
		}
		v.double, v.c = f, tensor.Tensor{Spec: tensor.Spec{Shape: s}}
		v.err = &TypeError{t.name, typeName(t.dtype)}
		return v, nil
	}
	c, err := t.value(im.src)
	var te *TypeError
	if errors.As(err, &te) {
		v.err = te
		return v, nil
	}
	v.c = c
	return v, err
}

// inputSpec is a resolved input.
type inputSpec struct {
	name    string
	spec    tensor.Spec
	batched bool
}

// inputSpecs resolves the shapes of the model's inputs: those that are not
// initialisers. An open first dimension is the batch.
func (im *importer) inputSpecs() ([]inputSpec, error) {
	g := im.m.graph
	initial := map[string]bool{}
	for _, t := range g.initializers {
		initial[t.name] = true
	}
	im.batch = 1
	declared := map[string]bool{}
	for _, in := range g.inputs {
		declared[in.name] = true
	}
	for name := range im.o.shapes {
		if !declared[name] {
			return nil, fmt.Errorf("onnx: --shape names %q, which is no input", name)
		}
	}
	var list []inputSpec
	var dims [][]int
	for _, in := range g.inputs {
		if initial[in.name] {
			continue
		}
		d, batched, err := im.dims(in)
		if err != nil {
			return nil, err
		}
		dt, ok := dtypeOf(in.dtype)
		if in.other || !ok {
			return nil, &TypeError{in.name, inputType(in)}
		}
		list = append(list, inputSpec{name: in.name, spec: tensor.Spec{DType: dt}, batched: batched})
		dims = append(dims, d)
		im.open = im.open || batched
	}
	if im.open {
		im.batch = nominalBatch
		if im.o.batch > 0 {
			im.batch, im.open = im.o.batch, false
		}
	}
	for i := range list {
		if list[i].batched {
			dims[i][0] = im.batch
			list[i].batched = im.open
		}
		s, err := tensor.NewShape(mergeDims(dims[i])...)
		if err != nil && list[i].batched { // the batch it is built with is large, for 32-bit processors too large
			return nil, fmt.Errorf("onnx: input %q is too large while its batch is open: fix the batch with --batch", list[i].name)
		}
		if err != nil {
			return nil, fmt.Errorf("onnx: input %q: %w", list[i].name, err)
		}
		list[i].spec.Shape = s
	}
	if !im.open {
		im.batch = 1
	}
	return list, nil
}

func inputType(in valueInfo) string {
	if in.other {
		return "sequence, map or optional"
	}
	return typeName(in.dtype)
}

// dims are an input's dimensions, given by the file or by an option; an open
// batch is 0.
func (im *importer) dims(in valueInfo) (dims []int, batched bool, err error) {
	given, ok := im.o.shapes[in.name]
	if ok && in.shaped && len(given) != len(in.dims) {
		return nil, false, fmt.Errorf("onnx: --shape %s=%v has %d dimensions, the model has %s", in.name, given, len(given), declaredDims(in))
	}
	if !in.shaped {
		if !ok {
			return nil, false, &ShapeError{in.name, "without a shape"}
		}
		in.dims = make([]dim, len(given))
	}
	dims = make([]int, len(in.dims))
	for i, d := range in.dims {
		open := !d.known || d.size < 0 || (d.size == 0 && d.param != "")
		switch {
		case ok && (given[i] > 0 || (given[i] == 0 && i > 0)):
			if !open && d.size != int64(given[i]) {
				return nil, false, fmt.Errorf("onnx: --shape %s=%v: the model has %s", in.name, given, declaredDims(in))
			}
			dims[i] = given[i]
		case ok && given[i] < 0:
			return nil, false, fmt.Errorf("onnx: --shape %s=%v", in.name, given)
		case !open:
			if d.size > 1<<31-1 {
				return nil, false, formatf("input %q is declared as %s", in.name, declaredDims(in))
			}
			dims[i] = int(d.size)
		case i == 0:
			batched = true
		default:
			return nil, false, &ShapeError{in.name, declaredDims(in)}
		}
	}
	return dims, batched, nil
}

func declaredDims(in valueInfo) string {
	s := ""
	for i, d := range in.dims {
		if i > 0 {
			s += " x "
		}
		switch {
		case d.param != "":
			s += d.param
		case d.known:
			s += fmt.Sprint(d.size)
		default:
			s += "?"
		}
	}
	if s == "" {
		return "scalar"
	}
	return s
}

// finish names the outputs and checks that the batch really is open.
func (im *importer) finish() (*graph.Graph, error) {
	for _, o := range im.m.graph.outputs {
		v := im.vals[o.name]
		switch {
		case v == nil:
			return nil, formatf("output %q is not computed", o.name)
		case v.err != nil:
			im.refuseValue(o.name, v.err)
		case im.baked(v):
			if row, axis, ok := im.row(v); ok {
				r, err := im.repeated(o.name+"_rows", row, axis, v.rank())
				if err != nil {
					return nil, err
				}
				im.b.Output(o.name, r.id)
				continue
			}
			im.refuse(Unsupported{Node: o.name, Op: "output", Why: "its value depends on the batch", Hint: "fix the batch with --batch"})
		default:
			im.b.Output(o.name, v.node())
		}
	}
	if len(im.unsupported) > 0 {
		return nil, &UnsupportedError{im.unsupported}
	}
	g, err := im.b.Build()
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if im.open {
		h, err := g.WithBatch(1)
		if err != nil {
			return nil, fmt.Errorf("onnx: the network does not run at every batch, fix one with --batch: %w", err)
		}
		return h, nil
	}
	return g, nil
}

func (im *importer) refuse(u Unsupported) { im.unsupported = append(im.unsupported, u) }

// refuseValue reports a value of a wrong type, or one that Teff does not compute,
// once; a poisoned one was reported before.
func (im *importer) refuseValue(name string, err error) {
	var te *TypeError
	var oe *outputError
	switch {
	case errors.As(err, &te):
		im.refuse(Unsupported{Node: name, Op: "value", Why: "element type " + te.Type, Hint: "export the model with float32, int64 or int8 values", Err: err})
	case errors.As(err, &oe):
		im.refuse(Unsupported{Node: oe.node, Op: oe.op, Why: oe.Error(), Err: err})
	}
}

// outputError marks an output of a node that is not computed.
type outputError struct {
	node, op string
	output   int
}

func (e *outputError) Error() string { return fmt.Sprintf("output %d is not supported", e.output) }
