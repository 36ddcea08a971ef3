// Package npy reads and writes NumPy's .npy files, versions 1 to 3: a magic, a
// header that is a Python dictionary literal, and the elements. Read takes either
// order of bytes and of axes, Write writes little-endian and C order.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/teff-ml/teff/ops/tensor"
)

const magic = "\x93NUMPY"

// ErrFormat says that the bytes are no .npy file that this package reads.
var ErrFormat = errors.New("npy: not a readable .npy file")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrFormat}, args...)...)
}

// maxHeader is far more than any real header.
const maxHeader = 64 << 10

// Read reads one array. f64 becomes f32, since Teff computes in nothing wider;
// integers that Teff lacks become the next wider that holds them.
func Read(r io.Reader) (tensor.Tensor, error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return tensor.Tensor{}, bad("%v", err)
	}
	if string(head[:6]) != magic {
		return tensor.Tensor{}, bad("wrong magic")
	}
	size := int(binary.LittleEndian.Uint16(head[8:]))
	if head[6] >= 2 {
		var more [2]byte
		if _, err := io.ReadFull(r, more[:]); err != nil {
			return tensor.Tensor{}, bad("%v", err)
		}
		size |= int(binary.LittleEndian.Uint16(more[:])) << 16
	}
	if head[6] < 1 || head[6] > 3 || size > maxHeader {
		return tensor.Tensor{}, bad("version %d with a header of %d bytes", head[6], size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return tensor.Tensor{}, bad("header: %v", err)
	}
	h, err := parseHeader(string(text))
	if err != nil {
		return tensor.Tensor{}, err
	}
	shape, err := tensor.NewShape(h.dims...)
	if err != nil {
		return tensor.Tensor{}, bad("shape %v: %v", h.dims, err)
	}
	e, err := elementOf(h.descr)
	if err != nil {
		return tensor.Tensor{}, err
	}
	data, err := readExactly(r, shape.Elems()*e.size)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if h.descr[0] == '>' {
		for at := 0; at < len(data); at += e.size {
			slices.Reverse(data[at : at+e.size])
		}
	}
	if h.fortran {
		data = inCOrder(data, shape, e.size)
	}
	t := tensor.New(tensor.Spec{DType: e.to, Shape: shape})
	if e.convert == nil {
		copy(t.Data, data)
		return t, nil
	}
	for i := range shape.Elems() {
		if err := e.convert(t, i, data[i*e.size:]); err != nil {
			return tensor.Tensor{}, err
		}
	}
	return t, nil
}

// inCOrder is data of a shape whose first axis runs fastest with the last one
// doing so.
func inCOrder(data []byte, shape tensor.Shape, size int) []byte {
	out := make([]byte, len(data))
	dims := shape.Dims()
	index := make([]int, len(dims))
	for to := 0; to < len(out); to += size {
		from := 0
		for i := len(dims) - 1; i >= 0; i-- {
			from = from*dims[i] + index[i]
		}
		copy(out[to:to+size], data[from*size:])
		for i := len(dims) - 1; i >= 0; i-- {
			if index[i]++; index[i] < dims[i] {
				break
			}
			index[i] = 0
		}
	}
	return out
}

// readExactly reads n bytes; memory grows with what comes, not with what the
// header claims.
func readExactly(r io.Reader, n int) ([]byte, error) {
	var buf bytes.Buffer
	if m, err := io.CopyN(&buf, r, int64(n)); err != nil {
		return nil, bad("%d bytes of data, the header says %d", m, n)
	}
	return buf.Bytes(), nil
}

// ReadFile is Read on a file, or on an array of an archive: F.npz:NAME, or F.npz
// where there is one.
func ReadFile(path string) (tensor.Tensor, error) {
	if file, name, ok := archive(path); ok {
		return readArchive(file, name)
	}
	f, err := os.Open(path)
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return t, err
}

// element is a type of NumPy's: what it becomes, its size in the file, and how,
// where its bytes are not what they become.
type element struct {
	to      tensor.DType
	size    int
	convert func(t tensor.Tensor, i int, b []byte) error
}

// elementOf reads <f4 and the like: the order of bytes, | where there is none,
// a kind and a number of bytes.
func elementOf(descr string) (element, error) {
	le := binary.LittleEndian
	var e element
	if len(descr) != 3 || !strings.ContainsRune("<>|=", rune(descr[0])) {
		return e, bad("element type %q", descr)
	}
	switch descr[1:] {
	case "f4":
		e = element{to: tensor.F32}
	case "f2":
		e = element{to: tensor.F16}
	case "i1":
		e = element{to: tensor.I8}
	case "u1":
		e = element{to: tensor.U8}
	case "i4":
		e = element{to: tensor.I32}
	case "i8":
		e = element{to: tensor.I64}
	case "b1":
		e = element{to: tensor.Bool}
	case "f8":
		e = element{tensor.F32, 8, func(t tensor.Tensor, i int, b []byte) error {
			t.F32()[i] = float32(math.Float64frombits(le.Uint64(b)))
			return nil
		}}
	case "i2":
		e = element{tensor.I32, 2, func(t tensor.Tensor, i int, b []byte) error {
			t.I32()[i] = int32(int16(le.Uint16(b)))
			return nil
		}}
	case "u2":
		e = element{tensor.I32, 2, func(t tensor.Tensor, i int, b []byte) error {
			t.I32()[i] = int32(le.Uint16(b))
			return nil
		}}
	case "u4":
		e = element{tensor.I64, 4, func(t tensor.Tensor, i int, b []byte) error {
			t.I64()[i] = int64(le.Uint32(b))
			return nil
		}}
	case "u8":
		e = element{tensor.I64, 8, func(t tensor.Tensor, i int, b []byte) error {
			v := le.Uint64(b)
			if t.I64()[i] = int64(v); v > math.MaxInt64 {
				return bad("%d does not fit an int64", v)
			}
			return nil
		}}
	default:
		return e, bad("element type %q", descr)
	}
	if e.size == 0 {
		e.size = e.to.Size()
	}
	return e, nil
}

// header is what stands before the elements.
type header struct {
	descr   string
	dims    []int
	fortran bool
}

// parseHeader reads {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }.
func parseHeader(s string) (h header, err error) {
	value := func(key string) (string, bool) {
		_, after, ok := strings.Cut(s, "'"+key+"':")
		return strings.TrimSpace(after), ok
	}
	d, ok1 := value("descr")
	order, ok2 := value("fortran_order")
	shape, ok3 := value("shape")
	if !ok1 || !ok2 || !ok3 {
		return h, bad("header %.80q", s)
	}
	if len(d) < 5 || d[0] != '\'' {
		return h, bad("element type in %.80q", s)
	}
	descr, _, ok := strings.Cut(d[1:], "'")
	if !ok {
		return h, bad("element type in %.80q", s)
	}
	list, _, ok := strings.Cut(strings.TrimPrefix(shape, "("), ")")
	if !ok || !strings.HasPrefix(shape, "(") {
		return h, bad("shape in %.80q", s)
	}
	for _, f := range strings.Split(list, ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil {
			return h, bad("shape (%.40s)", list)
		}
		h.dims = append(h.dims, n)
	}
	h.descr, h.fortran = descr, strings.HasPrefix(order, "True") && len(h.dims) > 1
	return h, nil
}

// Write writes t as version 1. Bfloat16 has no NumPy type.
func Write(w io.Writer, t tensor.Tensor) error {
	descr := map[tensor.DType]string{
		tensor.F32: "<f4", tensor.F16: "<f2", tensor.I8: "|i1", tensor.U8: "|u1", tensor.I32: "<i4", tensor.I64: "<i8", tensor.Bool: "|b1",
	}[t.DType]
	if descr == "" {
		return fmt.Errorf("npy: no NumPy type for %v", t.DType)
	}
	dims := ""
	for _, d := range t.Shape.Dims() {
		dims += strconv.Itoa(d) + ", "
	}
	if t.Shape.Rank() > 1 {
		dims = strings.TrimSuffix(dims, ", ")
	}
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, strings.TrimSuffix(dims, " "))
	for (len(magic)+4+len(h)+1)%64 != 0 {
		h += " "
	}
	h += "\n"
	head := append([]byte(magic), 1, 0, 0, 0)
	binary.LittleEndian.PutUint16(head[8:], uint16(len(h)))
	if _, err := w.Write(append(head, h...)); err != nil {
		return err
	}
	_, err := w.Write(t.Data)
	return err
}
