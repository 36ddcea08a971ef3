package onnx

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// doubleTensor is a TensorProto of doubles.
func doubleTensor(name string, dims []int, v ...float64) message {
	var m, raw message
	for _, d := range dims {
		m.varint(1, uint64(d))
	}
	m.varint(2, typeDouble)
	m.str(8, name)
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(x))
	}
	m.bytes(9, raw)
	return m
}

// TestDoubles: what a file computes in doubles is computed in float32: constants,
// values cast to it, and what is filled with one. A model's own inputs stay refused.
func TestDoubles(t *testing.T) {
	b := newModel(13).input("x", -1, 3).output("y")
	for _, c := range []message{doubleTensor("tenth", nil, 0.1), doubleTensor("by", []int{3}, 1, 2, 4)} {
		var field message
		field.bytes(5, c)
		b.w.initial = append(b.w.initial, field)
	}
	b.node("Cast", []string{"x"}, []string{"wide"}, func(a *attrs) { a.int("to", typeDouble) })
	b.node("Add", []string{"wide", "tenth"}, []string{"a"}, nil)
	b.node("Div", []string{"a", "by"}, []string{"b"}, nil)
	b.node("CastLike", []string{"x", "tenth"}, []string{"again"}, nil)
	b.node("ConstantOfShape", []string{b.w.ints("one", []int{1})}, []string{"half"}, func(a *attrs) {
		a.add("value", 4, func(m *message) { m.bytes(5, doubleTensor("", []int{1}, 0.5)) })
	})
	b.node("Mul", []string{"again", "half"}, []string{"c"}, nil)
	b.node("Sub", []string{"b", "c"}, []string{"d"}, nil)
	b.node("Cast", []string{"d"}, []string{"y"}, func(a *attrs) { a.int("to", 1) })
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	x := []float32{1, -2, 3.5}
	y := eval(t, g, tensor.FromF32(x, 1, 3))[0].F32()
	for i, v := range x {
		require.InDelta(t, (float64(v)+0.1)/float64(int(1)<<i)-float64(v)/2, y[i], 1e-6)
	}
}
