package kern

import "unsafe"

// bytePointer is p as the loops over bytes take it; they know the element's size.
func bytePointer[T float32 | int32](p *T) *byte { return (*byte)(unsafe.Pointer(p)) }
