// Package weights reads files of named tensors, as training programs save them without
// the network: safetensors, and the state dicts that PyTorch's torch.save writes, in a
// zip archive (since PyTorch 1.6) or one after the other (before). A pickle is read as
// data: nothing in it is called or executed.
package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/ops/tensor"
)

// ErrFormat is wrapped by every error about bytes that are no file of weights.
var ErrFormat = errors.New("not a valid file of weights")

func formatf(format string, args ...any) error {
	return fmt.Errorf("weights: %w: "+format, append([]any{ErrFormat}, args...)...)
}

// Set holds named tensors. Their bytes are those of the file.
type Set struct {
	names []string
	at    map[string]stored
}

// stored is a tensor as the file has it: elements of a type in row-major order, or
// strided where strides are given.
type stored struct {
	kind    kind
	dims    []int
	strides []int // of elements; nil: row-major
	data    []byte
}

// kind is a type of elements.
type kind uint8

const (
	unknown kind = iota
	f64
	f32
	f16
	bf16
	// Integers and truth values, which no layer has as weights, by their width.
	int64s
	int32s
	int16s
	int8s
)

// size is an element's bytes.
func (k kind) size() int {
	return [...]int{f64: 8, f32: 4, f16: 2, bf16: 2, int64s: 8, int32s: 4, int16s: 2, int8s: 1}[k]
}

func (k kind) real() bool { return k >= f64 && k <= bf16 }

// Names lists the tensors of real numbers, in the file's order.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Dims is the shape of the named tensor, nil where there is none.
func (s *Set) Dims(name string) []int {
	t, ok := s.at[name]
	if !ok {
		return nil
	}
	return append([]int{}, t.dims...)
}

// Float32 is the named tensor in float32; false where there is none.
func (s *Set) Float32(name string) (tensor.Tensor, bool) {
	t, ok := s.at[name]
	if !ok {
		return tensor.Tensor{}, false
	}
	out := tensor.New(tensor.F32Spec(t.dims...))
	y := out.F32()
	at, index := 0, make([]int, len(t.dims))
	for i := range y {
		if t.strides == nil {
			at = i
		}
		y[i] = t.kind.float(t.data, at)
		for d := len(t.dims) - 1; d >= 0 && t.strides != nil; d-- { // to the next element
			index[d]++
			at += t.strides[d]
			if index[d] < t.dims[d] {
				break
			}
			at -= index[d] * t.strides[d]
			index[d] = 0
		}
	}
	return out, true
}

// float is element i of b.
func (k kind) float(b []byte, i int) float32 {
	le := binary.LittleEndian
	switch k {
	case f64:
		return float32(math.Float64frombits(le.Uint64(b[8*i:])))
	case f32:
		return math.Float32frombits(le.Uint32(b[4*i:]))
	case f16:
		return float16.Frombits(le.Uint16(b[2*i:])).Float32()
	}
	return math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16)
}

// add takes a tensor in, after a check that its elements are there. Those that are no
// real numbers are left out.
func (s *Set) add(name string, t stored) error {
	if !t.kind.real() {
		return nil
	}
	shape, err := tensor.NewShape(t.dims...)
	if err != nil {
		return formatf("%q: %v", name, err)
	}
	last, n := 0, shape.Elems()
	if st := shape.Strides(); slices.Equal(t.strides, st[:len(t.dims)]) {
		t.strides = nil
	}
	if t.strides == nil {
		last = n - 1
	}
	for i, st := range t.strides {
		if st < 0 || st > 0 && t.dims[i] > (math.MaxInt-last)/st {
			return formatf("%q: strides %v of %v", name, t.strides, t.dims)
		}
		last += max(t.dims[i]-1, 0) * st
	}
	have := len(t.data) / t.kind.size()
	if n > 0 && last >= have || n > have { // each element is a number of its own
		return formatf("%q: %v of %d elements", name, t.dims, have)
	}
	if _, twice := s.at[name]; twice {
		return formatf("%q is there twice", name)
	}
	s.names = append(s.names, name)
	s.at[name] = t
	return nil
}

// ReadFile reads a file of any of the forms.
func ReadFile(path string) (*Set, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	s, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Parse is ReadFile of bytes, which the set keeps.
func Parse(b []byte) (*Set, error) {
	s := &Set{at: map[string]stored{}}
	var err error
	switch {
	case len(b) > 8 && b[8] == '{': // neither of the others has one there
		err = s.safetensors(b)
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		err = s.archive(b)
	case bytes.HasPrefix(b, streamsMagic):
		err = s.streams(b)
	default:
		err = formatf("neither safetensors nor a file of torch.save's")
	}
	if err != nil {
		return nil, err
	}
	if len(s.names) == 0 {
		return nil, formatf("no tensors of real numbers")
	}
	s.trim("module.") // of networks that were trained in parallel
	return s, nil
}

// trim takes a prefix off all names, where all have it.
func (s *Set) trim(prefix string) {
	for _, n := range s.names {
		if !strings.HasPrefix(n, prefix) {
			return
		}
	}
	at := make(map[string]stored, len(s.at))
	for i, n := range s.names {
		s.names[i] = n[len(prefix):]
		at[s.names[i]] = s.at[n]
	}
	s.at = at
}
