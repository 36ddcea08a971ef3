// Package pages reserves address space for memory whose size is not known
// before. It takes none until it is touched, is no business of the garbage
// collector, and is made of huge pages where the system has them, which take a
// quarter of the time to touch.
package pages

// huge is the size of a huge page.
const huge = 2 << 20

// Region is reserved address space.
type Region struct {
	Mem   []byte // zero until written; starts at a huge page
	whole []byte
}

// Reserve is a region of n bytes; ok is false where the system gives none.
func Reserve(n int) (r Region, ok bool) { return reserve(n) }

// Expect says that bytes from to to are about to be written: huge pages that
// lie there entirely are used where the system lets us.
func (r Region) Expect(from, to int) {
	from, to = (from+huge-1)/huge*huge, to/huge*huge
	if from < to {
		expect(r.Mem[from:to])
	}
}

// Free gives the region back. Nothing may use it any more.
func (r Region) Free() { free(r.whole) }
