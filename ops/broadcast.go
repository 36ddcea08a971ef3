package ops

import "github.com/teff-ml/teff/ops/tensor"

// bcast walks up to three operands that broadcast to one shape. Dimensions
// that all operands walk alike are joined, so that most shapes end as one or
// two; the innermost is a row.
type bcast struct {
	rank   int
	dim    [tensor.MaxRank]int
	stride [3][tensor.MaxRank]int // elements between neighbours, 0 where an operand repeats
	rows   int                    // product of all dimensions but the innermost
	inner  int                    // extent of the innermost, 1 for a scalar
}

// newBcast plans the walk over out, to which every operand broadcasts.
func newBcast(out tensor.Shape, operand ...tensor.Shape) *bcast {
	b := new(bcast)
	var st [3][tensor.MaxRank]int
	for i, s := range operand {
		own := s.Strides()
		for d := range s.Rank() {
			if s.Dim(d) != 1 {
				st[i][d+out.Rank()-s.Rank()] = own[d]
			}
		}
	}
	for d := range out.Rank() {
		n := out.Dim(d)
		if n == 1 {
			continue
		}
		if b.rank > 0 && b.joins(&st, d, n) {
			b.dim[b.rank-1] *= n
			for i := range st {
				b.stride[i][b.rank-1] = st[i][d]
			}
			continue
		}
		b.dim[b.rank] = n
		for i := range st {
			b.stride[i][b.rank] = st[i][d]
		}
		b.rank++
	}
	b.rows, b.inner = 1, 1
	for d := range b.rank {
		if d == b.rank-1 {
			b.inner = b.dim[d]
		} else {
			b.rows *= b.dim[d]
		}
	}
	if b.rank == 0 {
		b.rank, b.dim[0] = 1, 1
	}
	return b
}

// joins reports whether dimension d continues the last planned one for every
// operand.
func (b *bcast) joins(st *[3][tensor.MaxRank]int, d, n int) bool {
	for i := range st {
		if b.stride[i][b.rank-1] != st[i][d]*n {
			return false
		}
	}
	return true
}

// at is where operand i's row r starts.
//
//go:noinline
func (b *bcast) at(i, r int) int {
	off := 0
	for d := b.rank - 2; d >= 0; d-- {
		n := b.dim[d]
		off += r % n * b.stride[i][d]
		r /= n
	}
	return off
}

// step is how far operand i moves along a row: 1 or 0.
//
//go:noinline
func (b *bcast) step(i int) int { return b.stride[i][b.rank-1] }

// chunkElems is the work of one elementwise task, about 5 µs for a simple
// function: more than it costs to hand it to another worker.
const chunkElems = 16 << 10

// chunks cuts the walk into tasks, the same for any number of threads. A task
// is some rows, or a part of a long row.
type chunks struct {
	rows  int // rows a task; 0: a row is several tasks
	part  int // elements of a part, when rows is 0
	parts int // parts a row
	tasks int
}

// split cuts the walk into tasks of about elems elements.
//
//go:noinline
func (b *bcast) split(elems int) chunks {
	var c chunks
	if b.inner > elems {
		c.part, c.parts = elems, (b.inner+elems-1)/elems
		c.tasks = b.rows * c.parts
		return c
	}
	c.rows = max(1, elems/max(1, b.inner))
	c.tasks = (b.rows + c.rows - 1) / c.rows
	return c
}

// task is rows [r0, r1) and elements [e0, e1) of each.
//
//go:noinline
func (c *chunks) task(b *bcast, i int) (r0, r1, e0, e1 int) {
	if c.rows == 0 {
		r, p := i/c.parts, i%c.parts
		return r, r + 1, p * c.part, min(b.inner, (p+1)*c.part)
	}
	return i * c.rows, min(b.rows, (i+1)*c.rows), 0, b.inner
}
