package onnx

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// message is a protobuf message being written.
type message []byte

func (m *message) varint(num protowire.Number, v uint64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, num, protowire.VarintType), v)
}

func (m *message) bytes(num protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, num, protowire.BytesType), v)
}

func (m *message) str(num protowire.Number, v string) { m.bytes(num, []byte(v)) }

func (m *message) float(num protowire.Number, v float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, num, protowire.Fixed32Type), math.Float32bits(v))
}

// attrs are the attributes of a node being written, in order.
type attrs struct{ m []message }

func (a *attrs) add(name string, kind uint64, f func(m *message)) {
	var m message
	m.str(1, name)
	f(&m)
	m.varint(20, kind)
	a.m = append(a.m, m)
}

func (a *attrs) int(name string, v int) {
	a.add(name, attrInt, func(m *message) { m.varint(3, uint64(v)) })
}

func (a *attrs) bool(name string, v bool) {
	if v {
		a.int(name, 1)
	}
}

func (a *attrs) float(name string, v float32) {
	a.add(name, attrFloat, func(m *message) { m.float(2, v) })
}

func (a *attrs) str(name, v string) {
	a.add(name, attrString, func(m *message) { m.str(4, v) })
}

func (a *attrs) ints(name string, v []int) {
	if v == nil {
		return
	}
	a.add(name, attrInts, func(m *message) {
		for _, x := range v {
			m.varint(8, uint64(x))
		}
	})
}

// writer collects a graph: everything small in one buffer, weights as slices
// of where they lie.
type writer struct {
	nodes   message
	initial [][]byte // alternately a head and its data
	size    int      // of initial
	count   int      // nodes
	names   map[string]bool
	next    int
}

// fresh is a name no value has yet, like base if it can be.
func (w *writer) fresh(base string) string {
	name := base
	for name == "" || w.names[name] {
		w.next++
		name = fmt.Sprintf("%s_%d", base, w.next)
	}
	w.names[name] = true
	return name
}

// node writes a node of the default domain.
func (w *writer) node(op string, in, out []string, a *attrs) {
	var m message
	for _, s := range in {
		m.str(1, s)
	}
	for _, s := range out {
		m.str(2, s)
	}
	m.str(3, out[0])
	m.str(4, op)
	if a != nil {
		for _, x := range a.m {
			m.bytes(5, x)
		}
	}
	w.nodes.bytes(1, m)
	w.count++
}

// constant writes an initialiser and returns its name.
func (w *writer) constant(base string, t tensor.Tensor) string {
	name := w.fresh(base)
	var m message
	for _, d := range t.Shape.Dims() {
		m.varint(1, uint64(d))
	}
	m.varint(2, uint64(onnxType(t.DType)))
	m.str(8, name)
	// The data is last, so that it need not be copied.
	m = protowire.AppendVarint(protowire.AppendTag(m, 9, protowire.BytesType), uint64(len(t.Data)))
	var head message
	head = protowire.AppendVarint(protowire.AppendTag(head, 5, protowire.BytesType), uint64(len(m)+len(t.Data)))
	head = append(head, m...)
	w.initial = append(w.initial, head, t.Data)
	w.size += len(head) + len(t.Data)
	return name
}

func (w *writer) ints(base string, v []int) string {
	x := make([]int64, len(v))
	for i := range v {
		x[i] = int64(v[i])
	}
	return w.constant(base, tensor.FromI64(x, len(x)))
}

func (w *writer) floats(base string, v ...float32) string {
	return w.constant(base, tensor.FromF32(v, len(v)))
}

func (w *writer) scalar(base string, v float32) string {
	return w.constant(base, tensor.FromF32([]float32{v}))
}

// valueProto is a ValueInfoProto; with batch the first dimension has that name.
func valueProto(name string, s tensor.Spec, batch string) message {
	var shape message
	for i, d := range s.Shape.Dims() {
		var dim message
		if i == 0 && batch != "" {
			dim.str(2, batch)
		} else {
			dim.varint(1, uint64(d))
		}
		shape.bytes(1, dim)
	}
	var t, typ, v message
	t.varint(1, uint64(onnxType(s.DType)))
	t.bytes(2, shape)
	typ.bytes(1, t)
	v.str(1, name)
	v.bytes(2, typ)
	return v
}

// maxProto is the largest message that protobuf libraries read.
const maxProto = math.MaxInt32

// model writes the whole file.
func (w *writer) model(to io.Writer, name string, inputs, outputs []message, metadata map[string]string) error {
	var tail message
	if name == "" {
		name = "teff"
	}
	tail.str(2, name)
	for _, v := range inputs {
		tail.bytes(11, v)
	}
	for _, v := range outputs {
		tail.bytes(12, v)
	}
	var head, opset message
	head.varint(1, exportIR)
	head.str(2, "teff")
	opset.str(1, "")
	opset.varint(2, exportOpset)
	head.bytes(8, opset)
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		var entry message
		entry.str(1, key)
		entry.str(2, metadata[key])
		head.bytes(14, entry)
	}
	size := len(w.nodes) + w.size + len(tail)
	if size > maxProto-len(head)-16 {
		return fmt.Errorf("onnx: a model of %d bytes is more than one ONNX file can hold", size)
	}
	head = protowire.AppendVarint(protowire.AppendTag(head, 7, protowire.BytesType), uint64(size))
	for _, b := range append([][]byte{head, w.nodes, tail}, w.initial...) {
		if _, err := to.Write(b); err != nil {
			return fmt.Errorf("onnx: %w", err)
		}
	}
	return nil
}
