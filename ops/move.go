package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// mover copies a box of elements between two dense tensors of the same element
// size: transposes, slices, joins and repeats are all this with other strides.
// Strides are in elements; a source stride of 0 repeats.
type mover struct {
	size     int // bytes of an element
	rank     int
	dims     [tensor.MaxRank]int
	src, dst [tensor.MaxRank]int
	srcAt    int
	dstAt    int
	matrix   bool // the last two dimensions are a matrix to transpose, see plan
}

func newMover(size int, dims, src, dst []int, srcAt, dstAt int) *mover {
	m := &mover{size: size, srcAt: srcAt, dstAt: dstAt}
	for i, d := range dims {
		if d == 1 {
			continue
		}
		// A dimension that continues the one before it in both is one with it.
		if r := m.rank; r > 0 && m.src[r-1] == src[i]*d && m.dst[r-1] == dst[i]*d {
			m.dims[r-1] *= d
			m.src[r-1], m.dst[r-1] = src[i], dst[i]
			continue
		}
		m.dims[m.rank], m.src[m.rank], m.dst[m.rank] = d, src[i], dst[i]
		m.rank++
	}
	if m.rank == 0 {
		m.rank, m.dims[0], m.src[0], m.dst[0] = 1, 1, 1, 1
		for _, d := range dims {
			if d == 0 {
				m.dims[0] = 0
			}
		}
	}
	return m
}

// run copies indices [from, to) of dimension along.
func (m *mover) run(dst, src []byte, along, from, to int) {
	part := *m
	part.dims[along] = to - from
	part.level(dst, src, 0, m.dstAt+from*m.dst[along], m.srcAt+from*m.src[along])
}

func (m *mover) level(dst, src []byte, l, d, s int) {
	if l == m.rank-1 {
		m.line(dst, src, m.dims[l], m.dst[l], m.src[l], d, s)
		return
	}
	if m.matrix && l >= m.rank-3 && m.interleaves() {
		mats, dst1, src1 := 1, 0, 0
		if l == m.rank-3 {
			mats, dst1, src1 = m.dims[l], m.dst[l], m.src[l]
		}
		kern.Interleave(dst[d*m.size:], src[s*m.size:], m.size, mats, m.dims[m.rank-1], m.dims[m.rank-2], dst1, src1, m.src[m.rank-1])
		return
	}
	if l == m.rank-2 && m.matrix {
		m.transpose(dst, src, d, s)
		return
	}
	for range m.dims[l] {
		m.level(dst, src, l+1, d, s)
		d += m.dst[l]
		s += m.src[l]
	}
}

// line copies n elements.
func (m *mover) line(dst, src []byte, n, ds, ss, d, s int) {
	if ds == 1 && ss == 1 {
		copy(dst[d*m.size:(d+n)*m.size], src[s*m.size:(s+n)*m.size])
		return
	}
	switch m.size {
	case 1:
		strided(dst, src, n, ds, ss, d, s)
	case 2:
		strided(tensor.CastSlice[uint16](dst), tensor.CastSlice[uint16](src), n, ds, ss, d, s)
	case 4:
		strided(tensor.CastSlice[uint32](dst), tensor.CastSlice[uint32](src), n, ds, ss, d, s)
	case 8:
		strided(tensor.CastSlice[uint64](dst), tensor.CastSlice[uint64](src), n, ds, ss, d, s)
	}
}

func strided[T any](dst, src []T, n, ds, ss, d, s int) {
	for range n {
		dst[d] = src[s]
		d += ds
		s += ss
	}
}

// moveKernel runs a mover over parts of one dimension in parallel.
type moveKernel struct {
	m      *mover
	params []tensor.Tensor
	along  int // the dimension that is split
	chunk  int // indices of a part
}

func newMoveKernel(p *Prep, m *mover) *moveKernel {
	path := "move"
	if !p.Reference && m.plan() {
		path = "transpose"
	}
	k := &moveKernel{m: m, params: p.Params, along: m.split(4 * p.Threads)}
	n := m.dims[k.along]
	k.chunk = n
	if tasks := parts(byteMACs*p.Out.Bytes(), taskMACs, max(1, p.Threads)); tasks > 1 {
		k.chunk = (n + tasks - 1) / tasks
		if m.matrix && k.along >= m.rank-2 {
			k.chunk = (k.chunk + moveLine - 1) &^ (moveLine - 1)
		}
	}
	p.Path(path)
	return k
}

func (k *moveKernel) Run(a *Args) {
	if a.Out.Shape.Elems() == 0 {
		return
	}
	a.Parallel((k.m.dims[k.along]+k.chunk-1)/k.chunk, k)
}

func (k *moveKernel) Do(a *Args, i, _ int) {
	k.m.run(a.Out.Data, arg(a, k.params, 0).Data, k.along, i*k.chunk, min(k.m.dims[k.along], (i+1)*k.chunk))
}

// denseStrides are a shape's strides as a slice.
func denseStrides(s tensor.Shape) []int {
	st := s.Strides()
	return st[:s.Rank()]
}

// normAxis is axis counted from the front; ok is false outside the rank.
//
//go:noinline
func normAxis(axis, rank int) (int, bool) {
	if axis < 0 {
		axis += rank
	}
	return axis, axis >= 0 && axis < rank
}
