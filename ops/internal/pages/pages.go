// Package pages reserves address space for memory whose size is not known
// before. It takes none until it is touched, is no business of the garbage
// collector, and is made of huge pages where the system has them, which take a
// quarter of the time to touch.
package pages

import "unsafe"

// huge is the size of a huge page.
const huge = 2 << 20

// Region is reserved address space.
type Region struct {
	Mem   []byte // zero until written; starts at a huge page
	whole []byte
}

// Reserve is a region of n bytes; ok is false where the system gives none.
func Reserve(n int) (r Region, ok bool) { return reserve(n) }

// Expect says that bytes from to to are about to be written.
func (r Region) Expect(from, to int) { Expect(r.Mem[from:to]) }

// Expect says that b is about to be written: huge pages that lie in it entirely are used where the system lets us.
func Expect(b []byte) {
	from := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (huge - 1))
	if to := from + (len(b)-from)/huge*huge; from < to {
		expect(b[from:to])
	}
}

// Free gives the region back. Nothing may use it any more.
func (r Region) Free() { free(r.whole) }
