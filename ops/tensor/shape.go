package tensor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxRank is the largest number of dimensions a tensor may have.
const MaxRank = 6

// Shape is the extent of each dimension, outermost first. Activations are
// NHWC (or NC, NWC, NDHWC). It is a value: shapes are compared with ==.
type Shape struct {
	rank uint8
	dim  [MaxRank]int32
}

// NewShape builds a shape, or says why the extents cannot be one: more than
// MaxRank dimensions, a negative extent, or more elements than fit an int.
func NewShape(dims ...int) (Shape, error) {
	var s Shape
	if len(dims) > MaxRank {
		return s, errf("rank %d, at most %d", len(dims), MaxRank)
	}
	n := int64(1)
	for i, d := range dims {
		if d < 0 || d > math.MaxInt32 {
			return Shape{}, errf("dimension %d of %v is out of range", i, dims)
		}
		s.dim[i] = int32(d)
		if d > 0 {
			if n > maxElems/int64(d) {
				return Shape{}, errf("%v has too many elements", dims)
			}
			n *= int64(d)
		}
	}
	s.rank = uint8(len(dims))
	return s, nil
}

// maxElems keeps the byte size of any tensor well inside an int64, and inside
// an int on 32-bit machines.
const maxElems = math.MaxInt / 16

// Of is NewShape for extents known to be good; it panics on bad ones.
func Of(dims ...int) Shape {
	s, err := NewShape(dims...)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return s
}

// Rank is the number of dimensions; 0 is a scalar.
//
//go:noinline
func (s Shape) Rank() int { return int(s.rank) }

// Dim is the extent of dimension i; a negative i counts from the end.
func (s Shape) Dim(i int) int {
	if i < 0 {
		i += int(s.rank)
	}
	if uint(i) >= uint(s.rank) {
		panic(fmt.Sprintf("BUG: dimension %d of shape %v", i, s))
	}
	return int(s.dim[i])
}

// Dims are the extents as a new slice.
//
//go:noinline
func (s Shape) Dims() []int {
	d := make([]int, s.rank)
	for i := range d {
		d[i] = int(s.dim[i])
	}
	return d
}

// Elems is the number of elements; 1 for a scalar. It and others of this package are
// called in hundreds of places, where copies of them would be 40 KB of every program.
//
//go:noinline
func (s Shape) Elems() int {
	n := 1
	for _, d := range s.dim[:s.rank] {
		n *= int(d)
	}
	return n
}

// With is s with dimension i (negative counts from the end) set to d.
func (s Shape) With(i, d int) Shape {
	if i < 0 {
		i += int(s.rank)
	}
	if uint(i) >= uint(s.rank) || d < 0 || d > math.MaxInt32 {
		panic(fmt.Sprintf("BUG: dimension %d of shape %v set to %d", i, s, d))
	}
	s.dim[i] = int32(d)
	return s
}

// Channels is the last extent, 1 for a scalar: what NHWC calls C.
//
//go:noinline
func (s Shape) Channels() int {
	if s.rank == 0 {
		return 1
	}
	return int(s.dim[s.rank-1])
}

// Rows is the number of elements divided by Channels: what NHWC calls N*H*W.
//
//go:noinline
func (s Shape) Rows() int {
	n := 1
	for i := 0; i < int(s.rank)-1; i++ {
		n *= int(s.dim[i])
	}
	return n
}

// Strides are the distances, in elements, between neighbours along each
// dimension of a dense tensor of this shape.
//
//go:noinline
func (s Shape) Strides() [MaxRank]int {
	var st [MaxRank]int
	n := 1
	for i := int(s.rank) - 1; i >= 0; i-- {
		st[i] = n
		n *= int(s.dim[i])
	}
	return st
}

// String is like "1x224x224x3"; a scalar is "scalar".
func (s Shape) String() string {
	if s.rank == 0 {
		return "scalar"
	}
	var b strings.Builder
	for i, d := range s.dim[:s.rank] {
		if i > 0 {
			b.WriteByte('x')
		}
		b.WriteString(strconv.Itoa(int(d)))
	}
	return b.String()
}

// Broadcast is the shape two operands of an elementwise operation give:
// extents are aligned at the last dimension and an extent of 1 repeats.
func Broadcast(a, b Shape) (Shape, error) {
	r := max(a.Rank(), b.Rank())
	var out Shape
	out.rank = uint8(r)
	for i := 1; i <= r; i++ {
		da, db := int32(1), int32(1)
		if i <= a.Rank() {
			da = a.dim[a.Rank()-i]
		}
		if i <= b.Rank() {
			db = b.dim[b.Rank()-i]
		}
		switch {
		case da == db, db == 1:
			out.dim[r-i] = da
		case da == 1:
			out.dim[r-i] = db
		default:
			return Shape{}, errf("shapes %v and %v do not broadcast", a, b)
		}
	}
	return NewShape(out.Dims()...)
}

// errf is fmt.Errorf with this package's name before it, called and not copied
// into every caller.
//
//go:noinline
func errf(format string, args ...any) error { return fmt.Errorf("tensor: "+format, args...) }
