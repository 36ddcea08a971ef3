package tflite

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// The tables of the TFLite schema (version 3) as far as inference needs them.
// Numbers in calls are the schema's field ids.

// model is a decoded file.
type model struct {
	description string
	codes       []opcode
	graph       subgraph
	subgraphs   int
	buffers     [][]byte
	metadata    map[string][]byte
}

type opcode struct {
	code   int
	custom string
}

// name is the operator's name as TFLite tools print it.
func (c opcode) name() string {
	if c.code == opCustom {
		return fmt.Sprintf("CUSTOM %q", c.custom)
	}
	if 0 <= c.code && c.code < len(opNames) {
		return opNames[c.code]
	}
	return fmt.Sprintf("operator %d", c.code)
}

type subgraph struct {
	name            string
	tensors         []tflTensor
	inputs, outputs []int
	operators       []operator
}

// tflTensor is a value: a constant when data is not nil.
type tflTensor struct {
	name      string
	shape     []int
	signature []int // the shape with -1 for open dimensions, or nil
	typ       int
	data      []byte
	quant     tensor.Quant
	variable  bool
	sparse    bool
}

type operator struct {
	code            opcode
	inputs, outputs []int
	options         table
	custom          []byte
}

// TensorType of the schema.
const (
	typeFloat32 = 0
	typeFloat16 = 1
	typeInt32   = 2
	typeUint8   = 3
	typeInt64   = 4
	typeBool    = 6
	typeInt8    = 9
)

var typeNames = []string{"float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8",
	"float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16"}

func typeName(t int) string {
	if t >= 0 && t < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", t)
}

// dtype is the element type here, Invalid for one that is not supported.
func dtype(t int) tensor.DType {
	switch t {
	case typeFloat32:
		return tensor.F32
	case typeFloat16:
		return tensor.F16
	case typeInt32:
		return tensor.I32
	case typeUint8:
		return tensor.U8
	case typeInt64:
		return tensor.I64
	case typeBool:
		return tensor.Bool
	case typeInt8:
		return tensor.I8
	}
	return tensor.Invalid
}

// parse decodes a whole file. Constants are views of b.
func parse(b []byte) (*model, error) {
	f := newBuffer(b)
	root := f.root("TFL3")
	m := &model{description: root.string(3), metadata: map[string][]byte{}}
	if v := root.uint(0); f.err == nil && v != 3 {
		return nil, fmt.Errorf("tflite: schema version %d, want 3", v)
	}
	for _, t := range root.tables(1) {
		m.codes = append(m.codes, decodeCode(t))
	}
	for _, t := range root.tables(4) {
		m.buffers = append(m.buffers, decodeBuffer(f, t))
	}
	for _, t := range root.tables(6) {
		if i := int64(t.uint(1)); i < int64(len(m.buffers)) {
			m.metadata[t.string(0)] = m.buffers[i]
		}
	}
	graphs := root.tables(2)
	m.subgraphs = len(graphs)
	if f.err == nil && len(graphs) == 0 {
		return nil, fmt.Errorf("tflite: the file holds no graph")
	}
	if f.err == nil {
		if err := m.decodeGraph(f, graphs[0]); err != nil {
			return nil, err
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	return m, nil
}

func decodeCode(t table) opcode {
	c := opcode{code: t.int(3, 0), custom: t.string(1)}
	// Files older than the wide code have it in the byte only; newer ones have
	// the byte saturate at 127.
	c.code = max(c.code, t.byte(0))
	return c
}

// decodeBuffer is a constant's bytes: inside the FlatBuffer, or, in files over
// 2 GB, at a position in the file after it.
func decodeBuffer(f *buffer, t table) []byte {
	off, size := t.uint64(1), t.uint64(2)
	if off > 1 && size > 0 { // 0 and 1 mean: not used
		if off > uint64(len(f.b)) || size > uint64(len(f.b))-off {
			f.fail(t.at, "buffer of %d bytes at %d is outside the file", size, off)
			return nil
		}
		return f.b[off : off+size : off+size]
	}
	return t.bytes(0)
}

func (m *model) decodeGraph(f *buffer, t table) error {
	g := &m.graph
	g.name, g.inputs, g.outputs = t.string(4), t.ints(1), t.ints(2)
	for i, tt := range t.tables(0) {
		x, err := m.decodeTensor(f, i, tt)
		if err != nil {
			return err
		}
		g.tensors = append(g.tensors, x)
	}
	for i, to := range t.tables(3) {
		o := operator{inputs: to.ints(1), outputs: to.ints(2), options: to.table(4), custom: to.bytes(5)}
		c := int64(to.uint(0))
		if f.err != nil {
			return f.err
		}
		if c >= int64(len(m.codes)) {
			return fmt.Errorf("tflite: operator %d: code %d of %d", i, c, len(m.codes))
		}
		o.code = m.codes[c]
		for _, x := range o.inputs {
			if x < -1 || x >= len(g.tensors) {
				return fmt.Errorf("tflite: operator %d (%s): input %d of %d tensors", i, o.code.name(), x, len(g.tensors))
			}
		}
		for _, x := range o.outputs {
			if x < 0 || x >= len(g.tensors) {
				return fmt.Errorf("tflite: operator %d (%s): output %d of %d tensors", i, o.code.name(), x, len(g.tensors))
			}
		}
		g.operators = append(g.operators, o)
	}
	for _, l := range [][]int{g.inputs, g.outputs} {
		for _, x := range l {
			if x < 0 || x >= len(g.tensors) {
				return fmt.Errorf("tflite: the graph's inputs or outputs name tensor %d of %d", x, len(g.tensors))
			}
		}
	}
	return f.err
}

func (m *model) decodeTensor(f *buffer, i int, t table) (tflTensor, error) {
	x := tflTensor{name: t.string(3), shape: t.ints(0), typ: t.byte(1), variable: t.bool(5), sparse: t.table(6).present()}
	x.signature = t.ints(7)
	buf := int64(t.uint(2))
	q := t.table(4)
	scale, zero, axis := q.floats(2), q.longs(3), q.int(6, 0)
	if f.err != nil {
		return x, f.err
	}
	bad := func(format string, args ...any) (tflTensor, error) {
		return x, fmt.Errorf("tflite: tensor %d %q: "+format, append([]any{i, x.name}, args...)...)
	}
	if len(x.signature) != len(x.shape) {
		x.signature = nil
	}
	if buf >= int64(len(m.buffers)) {
		return bad("buffer %d of %d", buf, len(m.buffers))
	}
	if buf > 0 {
		x.data = m.buffers[buf] // buffer 0 is always the empty one
	}
	if len(scale) > 0 {
		x.quant = tensor.Quant{Scale: scale, Axis: axis}
		if len(scale) == 1 {
			x.quant.Axis = 0
		}
		if len(zero) != 0 && len(zero) != len(scale) {
			return bad("%d zero points for %d scales", len(zero), len(scale))
		}
		for _, z := range zero {
			if z < math.MinInt32 || z > math.MaxInt32 {
				return bad("zero point %d", z)
			}
			x.quant.Zero = append(x.quant.Zero, int32(z))
		}
	}
	return x, nil
}
