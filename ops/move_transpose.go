package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// moveLine is elements of a part of a matrix, at least, so that threads write to
// no line of the cache together.
const moveLine = 64

// plan finds the two dimensions along which elements lie next to each other, in
// the source and in the result, and puts them last: all others are walked round a
// matrix to transpose. It is false where there are no two such, and for elements of
// two or eight bytes, which are rare.
func (m *mover) plan() bool {
	row, col := -1, -1
	for i := range m.rank {
		if m.dst[i] == 1 {
			row = i
		}
		if m.src[i] == 1 {
			col = i
		}
	}
	if m.size != 1 && m.size != 4 || row < 0 || col < 0 || row == col || m.src[row] < 0 || m.dst[col] < 0 {
		return false
	}
	for i := row; i < m.rank-1; i++ {
		m.swap(i, i+1)
	}
	if col > row {
		col--
	}
	for i := col; i < m.rank-2; i++ {
		m.swap(i, i+1)
	}
	m.matrix = true
	return true
}

//go:noinline
func (m *mover) swap(i, j int) {
	m.dims[i], m.dims[j] = m.dims[j], m.dims[i]
	m.src[i], m.src[j] = m.src[j], m.src[i]
	m.dst[i], m.dst[j] = m.dst[j], m.dst[i]
}

// split is the dimension to cut into parts, of which some are wanted: the first
// that has so many indices, and else the longest.
func (m *mover) split(want int) int {
	long := 0
	for i := range m.rank {
		if m.matrix && i == m.rank-2 && m.dims[i] < m.dims[i+1] {
			continue // the longer side of the matrix
		}
		if m.dims[i] >= want {
			return i
		}
		if m.dims[i] > m.dims[long] {
			long = i
		}
	}
	return long
}

// interleaves says that the matrix is few rows whose columns follow each
// other in the result, as in a shuffle of channels.
func (m *mover) interleaves() bool {
	col, row := m.rank-2, m.rank-1
	return m.dst[col] == m.dims[row] && m.src[row] >= 0 && (m.rank < 3 || m.dst[m.rank-3] >= 0 && m.src[m.rank-3] >= 0) &&
		kern.CanInterleave(m.size, m.dims[row], m.dims[col])
}

// transpose moves one matrix.
func (m *mover) transpose(dst, src []byte, d, s int) {
	col, row := m.rank-2, m.rank-1
	if m.size == 1 {
		kern.Transpose(dst[d:], src[s:], m.dims[row], m.dims[col], m.dst[col], m.src[row])
		return
	}
	kern.Transpose(tensor.CastSlice[uint32](dst)[d:], tensor.CastSlice[uint32](src)[s:], m.dims[row], m.dims[col], m.dst[col], m.src[row])
}
