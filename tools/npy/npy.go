// Package npy reads and writes NumPy's .npy files, versions 1 to 3: a magic, a
// header that is a Python dictionary literal, and the elements. C order and
// little-endian only; Fortran order is refused by name.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
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

// Read reads one array. f64 becomes f32, since Teff computes in nothing wider.
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
	descr, dims, err := parseHeader(string(text))
	if err != nil {
		return tensor.Tensor{}, err
	}
	shape, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Tensor{}, bad("shape %v: %v", dims, err)
	}
	d, size, err := dtype(descr)
	if err != nil {
		return tensor.Tensor{}, err
	}
	data, err := readExactly(r, shape.Elems()*size)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if descr == "<f8" {
		t := tensor.New(tensor.Spec{DType: tensor.F32, Shape: shape})
		for i := range t.F32() {
			t.F32()[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
		return t, nil
	}
	t := tensor.New(tensor.Spec{DType: d, Shape: shape})
	copy(t.Data, data)
	return t, nil
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

// ReadFile is Read on a file.
func ReadFile(path string) (tensor.Tensor, error) {
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

var dtypes = map[string]tensor.DType{
	"<f4": tensor.F32, "<f8": tensor.F32, "<f2": tensor.F16, "|i1": tensor.I8, "<i1": tensor.I8, "|u1": tensor.U8, "<u1": tensor.U8,
	"<i4": tensor.I32, "<i8": tensor.I64, "|b1": tensor.Bool,
}

func dtype(descr string) (tensor.DType, int, error) {
	d, ok := dtypes[descr]
	if !ok {
		return 0, 0, bad("element type %q", descr)
	}
	if descr == "<f8" {
		return d, 8, nil
	}
	return d, d.Size(), nil
}

// parseHeader reads {'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }.
func parseHeader(s string) (descr string, dims []int, err error) {
	value := func(key string) (string, bool) {
		_, after, ok := strings.Cut(s, "'"+key+"':")
		return strings.TrimSpace(after), ok
	}
	d, ok1 := value("descr")
	order, ok2 := value("fortran_order")
	shape, ok3 := value("shape")
	if !ok1 || !ok2 || !ok3 {
		return "", nil, bad("header %.80q", s)
	}
	if len(d) < 5 || d[0] != '\'' {
		return "", nil, bad("element type in %.80q", s)
	}
	descr, _, ok := strings.Cut(d[1:], "'")
	if !ok {
		return "", nil, bad("element type in %.80q", s)
	}
	list, _, ok := strings.Cut(strings.TrimPrefix(shape, "("), ")")
	if !ok || !strings.HasPrefix(shape, "(") {
		return "", nil, bad("shape in %.80q", s)
	}
	for _, f := range strings.Split(list, ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil {
			return "", nil, bad("shape (%.40s)", list)
		}
		dims = append(dims, n)
	}
	if strings.HasPrefix(order, "True") && len(dims) > 1 {
		return "", nil, bad("Fortran order; save it with numpy.ascontiguousarray")
	}
	return descr, dims, nil
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
