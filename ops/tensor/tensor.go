package tensor

import (
	"fmt"
	"unsafe"
)

// Spec is everything that is known about a tensor before it has a value.
type Spec struct {
	DType DType
	Shape Shape
	Quant Quant
}

// Bytes is the size of a dense tensor of this spec.
func (s Spec) Bytes() int { return s.Shape.Elems() * s.DType.Size() }

// Equal compares type, shape and quantisation.
//
//go:noinline
func (s Spec) Equal(t Spec) bool {
	return s.DType == t.DType && s.Shape == t.Shape && s.Quant.Equal(t.Quant)
}

func (s Spec) String() string {
	return s.DType.String() + "[" + s.Shape.String() + "]" + s.Quant.String()
}

// F32Spec is the spec of a float32 tensor.
func F32Spec(dims ...int) Spec { return Spec{DType: F32, Shape: Of(dims...)} }

// Tensor is a dense tensor: a spec and a view of little-endian bytes that it
// never owns. Data is aligned for its element type.
type Tensor struct {
	Spec
	Data []byte
	// More is what few tensors have. Whoever reads Data itself must look at it;
	// F32 and Clone do.
	More *More
}

// More says how the elements of a float32 tensor follow from what is in memory.
type More struct {
	// Scale, where there is one, is a factor for each index of the first
	// dimension: elements are Data's times it, and Data can stay where it lies, as
	// in a map.
	Scale []float32
	// Source, where there is one, has the elements of a tensor that has no Data,
	// before Scale. F32 and Clone decode them, each time.
	Source Source
}

// Scale is that of More, or nil.
//
//go:noinline
func (t *Tensor) Scale() []float32 {
	if t.More == nil {
		return nil
	}
	return t.More.Scale
}

// Source is that of More, or nil.
//
//go:noinline
func (t *Tensor) Source() Source {
	if t.More == nil {
		return nil
	}
	return t.More.Source
}

// Source is the elements of a float32 tensor as a file keeps them. It is safe for
// concurrent use.
type Source interface {
	Floats(dst []float32, from int) // writes the elements from one on
	Bytes() []byte                  // what of it no other tensor has
	Size() int                      // bytes of memory
	Half() bool                     // every element is a number of half precision
	Steps(row int) []float32        // of rows of that many elements: integers of 8 bits times these, else nil
}

// New allocates a zero tensor, its data aligned to 64 bytes.
func New(s Spec) Tensor { return Tensor{Spec: s, Data: AlignedBytes(s.Bytes())} }

// AlignedBytes allocates n zero bytes starting at a multiple of 64.
//
//go:noinline
func AlignedBytes(n int) []byte {
	if n == 0 {
		return nil
	}
	b := make([]byte, n+63)
	off := int(-uintptr(unsafe.Pointer(&b[0])) & 63)
	return b[off : off+n : off+n]
}

// FromF32 makes a float32 tensor that shares v. It panics when the number of
// elements differs from the shape's.
func FromF32(v []float32, dims ...int) Tensor { return from(F32, BytesOf(v), dims) }

// FromI32 is FromF32 for int32.
func FromI32(v []int32, dims ...int) Tensor { return from(I32, BytesOf(v), dims) }

// FromI64 is FromF32 for int64.
func FromI64(v []int64, dims ...int) Tensor { return from(I64, BytesOf(v), dims) }

// FromI8 is FromF32 for int8.
func FromI8(v []int8, dims ...int) Tensor { return from(I8, BytesOf(v), dims) }

// FromU8 is FromF32 for uint8.
func FromU8(v []uint8, dims ...int) Tensor { return from(U8, v, dims) }

func from(d DType, data []byte, dims []int) Tensor {
	t := Tensor{Spec: Spec{DType: d, Shape: Of(dims...)}, Data: data}
	if t.Bytes() != len(data) {
		panic(fmt.Sprintf("BUG: %d bytes for a tensor %v", len(data), t.Spec))
	}
	return t
}

// Check says whether the data fits the spec: length, alignment, quantisation.
func (t Tensor) Check() error {
	if !t.DType.Valid() {
		return errf("%v", t.DType)
	}
	if t.Source() != nil && (t.DType != F32 || len(t.Data) > 0) {
		return errf("a source and %d bytes of data for %v", len(t.Data), t.Spec)
	}
	if t.Source() == nil && len(t.Data) != t.Bytes() {
		return errf("%d bytes of data for %v, which takes %d", len(t.Data), t.Spec, t.Bytes())
	}
	if !Aligned(t.Data, t.DType.Size()) {
		return errf("data of %v is not aligned", t.Spec)
	}
	if t.Scale() != nil && (t.DType != F32 || t.Shape.Rank() == 0 || t.Shape.Dim(0) != len(t.Scale())) {
		return errf("%d factors for %v", len(t.Scale()), t.Spec)
	}
	return t.Quant.Check(t.DType, t.Shape)
}

// IsZero reports whether t is the zero Tensor: no tensor at all.
func (t Tensor) IsZero() bool { return t.DType == Invalid }

// Held is the bytes of its elements when they are decoded.
//
//go:noinline
func (t *Tensor) Held() int {
	if t.Source() != nil {
		return t.Bytes()
	}
	return len(t.Data)
}

// Clone is a copy with its own data, no Scale and no Source.
func (t Tensor) Clone() Tensor {
	c := Tensor{Spec: t.Spec, Data: AlignedBytes(t.Held())}
	if t.Source() != nil {
		t.Source().Floats(c.F32(), 0)
		t.Data = c.Data
	}
	if t.Scale() != nil {
		scaleRows(c.F32(), view[float32](t, F32), t.Scale())
		return c
	}
	copy(c.Data, t.Data)
	return c
}

// F32 views the data as float32. Like the other views it panics when the
// element type is another: a spec was checked before, so that is a fault of ours.
// With a Scale or a Source it is no view but a copy.
func (t Tensor) F32() []float32 {
	if t.Scale() != nil || t.Source() != nil {
		return t.Clone().F32()
	}
	return view[float32](t, F32)
}

// scaleRows writes the rows of src, one for each factor, times it.
func scaleRows(dst, src, scale []float32) {
	row := len(src) / max(1, len(scale))
	for i, f := range scale {
		to := dst[i*row : (i+1)*row]
		for j, x := range src[i*row : (i+1)*row] {
			to[j] = x * f
		}
	}
}

// Float32 is F32, under the name a user of a session looks for.
func (t Tensor) Float32() []float32 { return t.F32() }

// I32 views the data as int32.
func (t Tensor) I32() []int32 { return view[int32](t, I32) }

// I64 views the data as int64.
func (t Tensor) I64() []int64 { return view[int64](t, I64) }

// I8 views the data as int8.
func (t Tensor) I8() []int8 { return view[int8](t, I8) }

// U8 views the data as uint8.
func (t Tensor) U8() []uint8 { return view[uint8](t, U8) }

// Bools views the data as bytes that are 0 or 1.
func (t Tensor) Bools() []uint8 { return view[uint8](t, Bool) }

// Bits16 views f16 or bf16 data as its bit patterns.
func (t Tensor) Bits16() []uint16 {
	if t.DType != F16 && t.DType != BF16 {
		panic(fmt.Sprintf("tensor: 16-bit view of %v", t.Spec))
	}
	return CastSlice[uint16](t.Data)
}

func view[T elem](t Tensor, d DType) []T {
	t.mustBe(d)
	return CastSlice[T](t.Data)
}

//go:noinline
func (s *Spec) mustBe(d DType) {
	if s.DType != d {
		panic(fmt.Sprintf("tensor: %v view of %v", d, *s))
	}
}

type elem interface {
	~float32 | ~int32 | ~uint32 | ~int64 | ~int8 | ~uint8 | ~uint16 | ~int16 | ~float64 | ~uint64
}

// CastSlice views bytes as elements of another size. It panics when b is not
// aligned for T; bytes that do not fill an element are left out. Inlined, it would
// be 12 KB of a small program.
//
//go:noinline
func CastSlice[T elem](b []byte) []T {
	size := int(unsafe.Sizeof(*new(T)))
	if len(b) < size {
		return nil
	}
	if !Aligned(b, size) {
		panic("BUG: unaligned tensor data")
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/size)
}

// BytesOf views elements as bytes.
func BytesOf[T elem](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), len(v)*int(unsafe.Sizeof(v[0])))
}

// Aligned reports whether b starts at a multiple of n bytes.
func Aligned(b []byte, n int) bool {
	return len(b) == 0 || n <= 1 || uintptr(unsafe.Pointer(&b[0]))%uintptr(n) == 0
}

// Within is where part starts in whole, when it lies there entirely.
func Within(whole, part []byte) (offset int, ok bool) {
	if len(whole) == 0 || len(part) == 0 {
		return 0, false
	}
	at := uintptr(unsafe.Pointer(&part[0])) - uintptr(unsafe.Pointer(&whole[0])) // wraps around when part is below
	if at >= uintptr(len(whole)) || len(part) > len(whole)-int(at) {
		return 0, false
	}
	return int(at), true
}
