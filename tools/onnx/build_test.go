package onnx

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/teff-ml/teff/ops/tensor"
)

// builder puts small models together for tests.
type builder struct {
	w               writer
	inputs, outputs []message
	extra           message // fields of the model beside the graph
	opset           int
}

func newModel(opset int) *builder {
	return &builder{w: writer{names: map[string]bool{}}, opset: opset}
}

// input declares a float input; negative dimensions are open under a name each.
func (b *builder) input(name string, dims ...int) *builder {
	b.inputs = append(b.inputs, openValue(name, dims))
	return b
}

func (b *builder) output(name string) *builder {
	b.outputs = append(b.outputs, valueProto(name, tensor.F32Spec(), ""))
	return b
}

func (b *builder) node(op string, in, out []string, set func(a *attrs)) *builder {
	var a attrs
	if set != nil {
		set(&a)
	}
	b.w.node(op, in, out, &a)
	return b
}

// openValue is a float ValueInfoProto whose negative dimensions have names.
func openValue(name string, dims []int) message {
	var shape, t, typ, v message
	for i, d := range dims {
		var dim message
		if d < 0 {
			dim.str(2, string(rune('a'+i)))
		} else {
			dim.varint(1, uint64(d))
		}
		shape.bytes(1, dim)
	}
	t.varint(1, typeFloat)
	t.bytes(2, shape)
	typ.bytes(1, t)
	v.str(1, name)
	v.bytes(2, typ)
	return v
}

func (b *builder) graph() message {
	g := append(message(nil), b.w.nodes...)
	for _, p := range b.w.initial {
		g = append(g, p...)
	}
	for _, v := range b.inputs {
		g.bytes(11, v)
	}
	for _, v := range b.outputs {
		g.bytes(12, v)
	}
	return g
}

func (b *builder) bytes() []byte {
	var m, o message
	m.varint(1, 8)
	o.varint(2, uint64(b.opset))
	m.bytes(8, o)
	m.bytes(7, b.graph())
	return append(m, b.extra...)
}

// tensorBytes is a TensorProto with typed fields: num is the field they go to.
func tensorBytes(name string, dtype int, dims []int, num protowire.Number, fixed bool, v ...uint64) message {
	var m, packed message
	for _, d := range dims {
		m.varint(1, uint64(d))
	}
	m.varint(2, uint64(dtype))
	m.str(8, name)
	for _, x := range v {
		if fixed {
			packed = protowire.AppendFixed32(packed, uint32(x))
		} else {
			packed = protowire.AppendVarint(packed, x)
		}
	}
	m.bytes(num, packed)
	return m
}

// small is a model with one of everything the parser meets.
func small(testing.TB) []byte {
	b := newModel(17).input("x", -1, 3, 8, 8).output("y")
	w := b.w.constant("w", tensor.New(tensor.F32Spec(4, 3, 3, 3)))
	b.node("Conv", []string{"x", w}, []string{"c"}, func(a *attrs) {
		a.ints("pads", []int{1, 1, 1, 1})
		a.str("auto_pad", "NOTSET")
	})
	b.node("LeakyRelu", []string{"c"}, []string{"r"}, func(a *attrs) { a.float("alpha", 0.1) })
	b.node("Shape", []string{"r"}, []string{"s"}, nil)
	b.node("Constant", nil, []string{"zero"}, func(a *attrs) {
		a.add("value", attrTensor, func(m *message) { m.bytes(5, tensorBytes("", typeInt64, nil, 7, false, 0)) })
	})
	b.node("Gather", []string{"s", "zero"}, []string{"n"}, nil)
	axes := b.w.ints("axes", []int{0})
	b.node("Unsqueeze", []string{"n", axes}, []string{"n1"}, nil)
	rest := b.w.ints("rest", []int{-1})
	b.node("Concat", []string{"n1", rest}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
	b.node("Reshape", []string{"r", "to"}, []string{"y"}, nil)
	return b.bytes()
}
