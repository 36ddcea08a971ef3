package onnx

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/teff-ml/teff/ops/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// The element types of ONNX, TensorProto.DataType.
const (
	typeFloat    = 1
	typeUint8    = 2
	typeInt8     = 3
	typeUint16   = 4
	typeInt16    = 5
	typeInt32    = 6
	typeInt64    = 7
	typeString   = 8
	typeBool     = 9
	typeFloat16  = 10
	typeDouble   = 11
	typeUint32   = 12
	typeUint64   = 13
	typeBfloat16 = 16
)

var typeNames = [...]string{
	0: "undefined", typeFloat: "float", typeUint8: "uint8", typeInt8: "int8", typeUint16: "uint16", typeInt16: "int16",
	typeInt32: "int32", typeInt64: "int64", typeString: "string", typeBool: "bool", typeFloat16: "float16",
	typeDouble: "double", typeUint32: "uint32", typeUint64: "uint64", 14: "complex64", 15: "complex128",
	typeBfloat16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz",
	21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2",
}

// nameOf is the name in a table that has holes.
func nameOf(names []string, i int) string {
	if 0 <= i && i < len(names) {
		return names[i]
	}
	return ""
}

func typeName(t int32) string {
	if n := nameOf(typeNames[:], int(t)); n != "" {
		return n
	}
	return fmt.Sprintf("type %d", t)
}

// TypeError says that a value has an element type that Teff does not have.
type TypeError struct {
	Name string // the value
	Type string // as ONNX calls it
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("onnx: %q has element type %s, which is not supported", e.Name, e.Type)
}

// dtypeOf is the element type that ONNX numbers t, where Teff has it.
func dtypeOf(t int32) (d tensor.DType, ok bool) {
	if 0 <= t && int(t) < len(dtypes) {
		d = dtypes[t]
	}
	return d, d != tensor.Invalid
}

var dtypes = [...]tensor.DType{
	typeFloat: tensor.F32, typeUint8: tensor.U8, typeInt8: tensor.I8, typeInt32: tensor.I32, typeInt64: tensor.I64,
	typeBool: tensor.Bool, typeFloat16: tensor.F16, typeBfloat16: tensor.BF16,
}

// onnxType is the inverse of dtypes.
func onnxType(d tensor.DType) int32 {
	for o, t := range dtypes {
		if t == d {
			return int32(o)
		}
	}
	return 0
}

// tensorProto is a TensorProto; its numbers stay in the file until asked for.
type tensorProto struct {
	name     string
	dims     []int64
	dtype    int32
	raw      []byte
	hasRaw   bool
	external map[string]string // location, offset, length
	msg      []byte            // the whole message, for typed fields
}

func bitsFloat(v uint64) float32 { return math.Float32frombits(uint32(v)) }

func (p *parser) tensor(b []byte) (*tensorProto, error) {
	t := &tensorProto{msg: b}
	w := wire{b: b, what: "tensor"}
	for w.next() {
		var err error
		switch w.num {
		case 1:
			w.eachVarint(func(v uint64) {
				if len(t.dims) < 64 {
					t.dims = append(t.dims, int64(v))
				}
			})
			err = p.count(1)
		case 2:
			t.dtype = int32(w.int())
		case 3:
			err = formatf("tensor %q is in segments", t.name)
		case 8:
			t.name = w.str()
		case 9:
			t.raw, t.hasRaw = w.bytes(), true
		case 13:
			if t.external == nil {
				t.external = map[string]string{}
			}
			err = p.entry(w.bytes(), t.external)
		case 14:
			if w.int() == 1 && t.external == nil {
				t.external = map[string]string{}
			}
		}
		if err == nil {
			err = w.err
		}
		if err != nil {
			return nil, err
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	return t, p.count(1)
}

// shape checks the dimensions.
func (t *tensorProto) shape() (tensor.Shape, error) {
	dims := make([]int, len(t.dims))
	for i, d := range t.dims {
		if d < 0 || d > math.MaxInt32 {
			return tensor.Shape{}, formatf("tensor %q has dimensions %v", t.name, t.dims)
		}
		dims[i] = int(d)
	}
	s, err := tensor.NewShape(mergeDims(dims)...)
	if err != nil {
		return s, fmt.Errorf("onnx: tensor %q: %w", t.name, err)
	}
	return s, nil
}

// mergeDims joins the last dimensions of a shape that has more than
// tensor.MaxRank into one. The bytes are the same.
func mergeDims(dims []int) []int {
	if len(dims) <= tensor.MaxRank {
		return dims
	}
	out := append([]int(nil), dims[:tensor.MaxRank]...)
	for _, d := range dims[tensor.MaxRank:] {
		out[tensor.MaxRank-1] = min(out[tensor.MaxRank-1]*d, math.MaxInt32)
	}
	return out
}

// ParseTensor reads a TensorProto, the format of the backend suite's inputs
// and outputs. A shape of more than tensor.MaxRank dimensions has its last
// ones joined.
func ParseTensor(b []byte) (name string, t tensor.Tensor, err error) {
	p, err := (&parser{}).tensor(b)
	if err != nil {
		return "", t, err
	}
	t, err = p.value(nil)
	return p.name, t, err
}

// source opens external data; dir is the model's folder, "" when unknown.
type source struct {
	dir   string
	files map[string][]byte
}

// value is the tensor's value: the file's own bytes where they lie aligned, a
// copy otherwise. double and the unsigned and 16-bit integers that Teff lacks
// give a *TypeError.
func (t *tensorProto) value(src *source) (tensor.Tensor, error) {
	s, err := t.shape()
	if err != nil {
		return tensor.Tensor{}, err
	}
	d, ok := dtypeOf(t.dtype)
	if !ok {
		return tensor.Tensor{}, &TypeError{t.name, typeName(t.dtype)}
	}
	out := tensor.Tensor{Spec: tensor.Spec{DType: d, Shape: s}}
	raw := t.raw
	if t.external != nil {
		if raw, err = src.read(t); err != nil {
			return tensor.Tensor{}, err
		}
	} else if !t.hasRaw {
		return out, t.typed(&out)
	}
	if len(raw) != out.Bytes() {
		return tensor.Tensor{}, formatf("tensor %q %v has %d bytes, want %d", t.name, out.Spec, len(raw), out.Bytes())
	}
	if !tensor.Aligned(raw, d.Size()) {
		copied := tensor.AlignedBytes(len(raw))
		copy(copied, raw)
		raw = copied
	}
	out.Data = raw
	if d == tensor.Bool {
		out.Data = cleanBools(raw)
	}
	return out, nil
}

// cleanBools makes sure that booleans are 0 or 1.
func cleanBools(b []byte) []byte {
	c := make([]byte, len(b))
	for i, v := range b {
		if v != 0 {
			c[i] = 1
		}
	}
	return c
}

// typed reads the values from float_data, int32_data or int64_data.
func (t *tensorProto) typed(out *tensor.Tensor) error {
	n := out.Shape.Elems()
	// Every number takes at least one byte of the file.
	if n > len(t.msg) {
		return formatf("tensor %q %v has no data", t.name, out.Spec)
	}
	*out = tensor.New(out.Spec)
	i := 0
	var put func(v uint64)
	field := protowire.Number(5) // int32_data holds all small types
	fixed := false
	switch out.DType {
	case tensor.F32:
		field, fixed = 4, true
		f := out.F32()
		put = func(v uint64) { f[i] = bitsFloat(v) }
	case tensor.I64:
		field = 7
		x := out.I64()
		put = func(v uint64) { x[i] = int64(v) }
	case tensor.I32:
		x := out.I32()
		put = func(v uint64) { x[i] = int32(v) }
	case tensor.F16, tensor.BF16:
		x := out.Bits16()
		put = func(v uint64) { x[i] = uint16(v) }
	case tensor.Bool:
		put = func(v uint64) { out.Data[i] = b2u(v != 0) }
	default:
		put = func(v uint64) { out.Data[i] = byte(v) }
	}
	each := func(v uint64) {
		if i < n {
			put(v)
		}
		i++
	}
	w := wire{b: t.msg, what: "tensor"}
	for w.next() {
		if w.num != field {
			continue
		}
		if fixed {
			w.eachFixed(protowire.Fixed32Type, each)
		} else {
			w.eachVarint(each)
		}
	}
	if w.err != nil {
		return w.err
	}
	if i != n {
		return formatf("tensor %q %v has %d numbers, want %d", t.name, out.Spec, i, n)
	}
	return nil
}

func b2u(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// doubles are the numbers of a double tensor, which Teff only takes as
// constants that are cast at once.
func (t *tensorProto) doubles(src *source) ([]float64, error) {
	s, err := t.shape()
	if err != nil {
		return nil, err
	}
	raw := t.raw
	if t.external != nil {
		if raw, err = src.read(t); err != nil {
			return nil, err
		}
	}
	var v []float64
	if raw != nil {
		if len(raw) != 8*s.Elems() {
			return nil, formatf("tensor %q has %d bytes for %v doubles", t.name, len(raw), s)
		}
		w := wire{raw: raw, typ: protowire.BytesType, what: "tensor"}
		w.eachFixed(protowire.Fixed64Type, func(u uint64) { v = append(v, math.Float64frombits(u)) })
		return v, w.err
	}
	w := wire{b: t.msg, what: "tensor"}
	for w.next() {
		if w.num == 10 {
			w.eachFixed(protowire.Fixed64Type, func(u uint64) { v = append(v, math.Float64frombits(u)) })
		}
	}
	if w.err == nil && len(v) != s.Elems() {
		return nil, formatf("tensor %q has %d numbers, want %d", t.name, len(v), s.Elems())
	}
	return v, w.err
}

// read finds a tensor's bytes in a file beside the model. The path must stay
// inside the model's folder, links followed.
func (s *source) read(t *tensorProto) ([]byte, error) {
	loc := t.external["location"]
	if s == nil || s.dir == "" {
		return nil, fmt.Errorf("onnx: tensor %q lies in file %q, but the model was not read from a folder", t.name, loc)
	}
	loc = filepath.FromSlash(loc)
	if loc == "" || !filepath.IsLocal(loc) || strings.ContainsRune(loc, 0) {
		return nil, formatf("tensor %q lies in %q, outside the model's folder", t.name, loc)
	}
	data, ok := s.files[loc]
	if !ok {
		root, err := os.OpenRoot(s.dir)
		if err != nil {
			return nil, fmt.Errorf("onnx: tensor %q: %w", t.name, err)
		}
		defer root.Close()
		if data, err = root.ReadFile(loc); err != nil {
			return nil, fmt.Errorf("onnx: tensor %q: %w", t.name, err)
		}
		if s.files == nil {
			s.files = map[string][]byte{}
		}
		s.files[loc] = data
	}
	offset, err := externalNumber(t, "offset", 0)
	if err != nil {
		return nil, err
	}
	if offset > int64(len(data)) {
		return nil, formatf("tensor %q starts at %d of %q, which has %d bytes", t.name, offset, loc, len(data))
	}
	length, err := externalNumber(t, "length", int64(len(data))-offset)
	if err != nil {
		return nil, err
	}
	if length > int64(len(data))-offset {
		return nil, formatf("tensor %q needs %d bytes at %d of %q, which has %d", t.name, length, offset, loc, len(data))
	}
	return data[offset : offset+length : offset+length], nil
}

func externalNumber(t *tensorProto, key string, def int64) (int64, error) {
	v, ok := t.external[key]
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, formatf("tensor %q: external %s is %q", t.name, key, v)
	}
	return n, nil
}
