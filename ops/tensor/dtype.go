// Package tensor holds the values every other package speaks in: element
// types, shapes, quantisation, and tensors as views of bytes. It owns the only
// unsafe casts of the library.
package tensor

import "fmt"

// DType is an element type. The numbers are part of the file format.
type DType uint8

// The element types. F16 and BF16 are storage types: arithmetic is float32.
const (
	Invalid DType = iota
	F32
	F16
	BF16
	I8
	U8
	I32
	I64
	Bool
	numDTypes
)

var dtypeNames = [numDTypes]string{"invalid", "f32", "f16", "bf16", "i8", "u8", "i32", "i64", "bool"}
var dtypeSizes = [numDTypes]uint8{0, 4, 2, 2, 1, 1, 4, 8, 1}

// String is the short name used in printed graphs: "f32", "i8".
//
//go:noinline
func (d DType) String() string {
	if d < numDTypes {
		return dtypeNames[d]
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Valid reports whether d is one of the element types above.
func (d DType) Valid() bool { return d > Invalid && d < numDTypes }

// Size is the number of bytes of one element, 0 for an invalid type.
//
//go:noinline
func (d DType) Size() int {
	if d < numDTypes {
		return int(dtypeSizes[d])
	}
	return 0
}

// IsFloat reports whether d holds floating point numbers.
func (d DType) IsFloat() bool { return d == F32 || d == F16 || d == BF16 }

// IsInt8 reports whether d is a quantised activation type, I8 or U8.
func (d DType) IsInt8() bool { return d == I8 || d == U8 }
