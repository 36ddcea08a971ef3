package kern

import "unsafe"

// bytePointer is p as the loops over bytes take it; they know the element's size.
func bytePointer[T float32 | int32](p *T) *byte { return (*byte)(unsafe.Pointer(p)) }

// floatPointer is p as tileF32 holds it; the bfloat16 kernels know better.
func floatPointer(p *uint16) *float32 { return (*float32)(unsafe.Pointer(p)) }

// bytesAfter is the address n bytes after p.
func bytesAfter(p *byte, n int) *byte { return (*byte)(unsafe.Add(unsafe.Pointer(p), n)) }

// asFloats is b as moves of four bytes take it.
func asFloats(b []byte) []float32 { return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4) }

// asBits is v, of elements of four bytes, as the loops that move them take it.
func asBits[T bits](v []T) []float32 { return unsafe.Slice((*float32)(unsafe.Pointer(&v[0])), len(v)) }
