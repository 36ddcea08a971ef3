package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrFormat is wrapped by every error about bytes that are no ONNX model.
var ErrFormat = errors.New("not a valid ONNX file")

// formatf is an ErrFormat that says what is wrong.
func formatf(format string, args ...any) error {
	return fmt.Errorf("onnx: %w: "+format, append([]any{ErrFormat}, args...)...)
}

// wire walks the fields of one protobuf message. It copies nothing: the bytes
// of a field are a slice of the file.
//
//	w := wire{b: msg, what: "node"}
//	for w.next() {
//		switch w.num { case 1: name = w.str() … }
//	}
//	return w.err
type wire struct {
	b    []byte
	what string // the message's name, for errors
	num  protowire.Number
	typ  protowire.Type
	raw  []byte // the value of a length-delimited field
	u    uint64 // the value of any other
	err  error
}

// next moves to the next field; false at the end or at an error.
func (w *wire) next() bool {
	if w.err != nil || len(w.b) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(w.b)
	if n < 0 {
		return w.fail("tag", n)
	}
	w.b = w.b[n:]
	w.num, w.typ, w.raw, w.u = num, typ, nil, 0
	switch typ {
	case protowire.VarintType:
		w.u, n = protowire.ConsumeVarint(w.b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(w.b)
		w.u = uint64(v)
	case protowire.Fixed64Type:
		w.u, n = protowire.ConsumeFixed64(w.b)
	case protowire.BytesType:
		w.raw, n = protowire.ConsumeBytes(w.b)
	default: // groups, which ONNX never had
		w.err = formatf("%s: field %d has wire type %d", w.what, num, typ)
		return false
	}
	if n < 0 {
		return w.fail(fmt.Sprintf("field %d", num), n)
	}
	w.b = w.b[n:]
	return true
}

func (w *wire) fail(what string, n int) bool {
	w.err = formatf("%s: %s: %v", w.what, what, protowire.ParseError(n))
	return false
}

// want reports whether the field has the wire type t and makes an error stick
// if not.
func (w *wire) want(t protowire.Type) bool {
	if w.typ != t {
		if w.err == nil {
			w.err = formatf("%s: field %d has wire type %d, want %d", w.what, w.num, w.typ, t)
		}
		return false
	}
	return true
}

func (w *wire) bytes() []byte {
	w.want(protowire.BytesType)
	return w.raw
}

func (w *wire) str() string { return string(w.bytes()) }

func (w *wire) int() int64 {
	w.want(protowire.VarintType)
	return int64(w.u)
}

func (w *wire) float() float32 {
	w.want(protowire.Fixed32Type)
	return math.Float32frombits(uint32(w.u))
}

// eachVarint shows every number of a repeated integer field, packed or not.
func (w *wire) eachVarint(f func(uint64)) {
	if w.typ == protowire.VarintType {
		f(w.u)
		return
	}
	for b := w.bytes(); len(b) > 0 && w.err == nil; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			w.fail(fmt.Sprintf("field %d", w.num), n)
			return
		}
		f(v)
		b = b[n:]
	}
}

// eachFixed is eachVarint for numbers of 4 or 8 bytes.
func (w *wire) eachFixed(t protowire.Type, f func(uint64)) {
	if w.typ == t {
		f(w.u)
		return
	}
	size := 4
	if t == protowire.Fixed64Type {
		size = 8
	}
	b := w.bytes()
	if w.err == nil && len(b)%size != 0 {
		w.err = formatf("%s: field %d: %d bytes of %d-byte numbers", w.what, w.num, len(b), size)
	}
	if w.err != nil {
		return
	}
	for ; len(b) > 0; b = b[size:] {
		var v uint64
		for i := range size {
			v |= uint64(b[i]) << (8 * i)
		}
		f(v)
	}
}
