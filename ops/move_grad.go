package ops

import (
	"cmp"
	"slices"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// moveGrad is the gradient of a mover's copy: dx[src index] += dy[dst index], in parts
// of one dimension. Where the copy moved every element once and there is no
// gradient yet, it is a copy that goes back.
type moveGrad struct {
	m     *mover
	sets  bool
	along int // the dimension that is split
	tasks int
}

// newMoveGrad takes whole to say that the copy had every element of its input once.
func newMoveGrad(p *GradPrep, m *mover, whole bool) *moveGrad {
	k := &moveGrad{m: m}
	if whole && p.writes(0) {
		k.sets = true
		k.m = m.back()
		k.m.plan()
	}
	for k.along < m.rank-1 && k.m.src[k.along] == 0 { // a dimension that repeats: parts of it would add to the same
		k.along++
	}
	k.tasks = 1
	if k.m.src[k.along] != 0 {
		k.tasks = max(1, min(k.m.dims[k.along], parts(byteMACs*p.Out.Shape.Elems()*4, taskMACs, max(1, p.Threads))))
	}
	return k
}

// back is the mover of the opposite direction.
func (m *mover) back() *mover {
	var dims, src, dst []int
	for i := range m.rank {
		dims, src, dst = append(dims, i), append(src, m.dst[i]), append(dst, m.src[i])
	}
	slices.SortStableFunc(dims, func(i, j int) int { return cmp.Compare(dst[j], dst[i]) })
	b := &mover{size: m.size, rank: m.rank, srcAt: m.dstAt, dstAt: m.srcAt}
	for to, i := range dims {
		b.dims[to], b.src[to], b.dst[to] = m.dims[i], src[i], dst[i]
	}
	return b
}

func (k *moveGrad) Run(g *Grads) {
	if !g.DIn[0].IsZero() && g.DOut.Shape.Elems() > 0 {
		g.Parallel(k.tasks, k)
	}
}

// Do takes part of the dimension that is split.
func (k *moveGrad) Do(g *Grads, i, _ int) {
	n := k.m.dims[k.along]
	from, to := n*i/k.tasks, n*(i+1)/k.tasks
	if k.sets {
		k.m.run(g.DIn[0].Data, g.DOut.Data, k.along, from, to)
		return
	}
	part := k.m
	part.dims[k.along] = to - from
	part.add(g.DIn[0].F32(), g.DOut.F32(), 0, part.srcAt+from*part.src[k.along], part.dstAt+from*part.dst[k.along])
}

// add goes through the dimensions from l on.
func (m *mover) add(dx, dy []float32, l, s, d int) {
	n := m.dims[l]
	switch {
	case l < m.rank-1:
		for range n {
			m.add(dx, dy, l+1, s, d)
			s += m.src[l]
			d += m.dst[l]
		}
	case m.src[l] == 1 && m.dst[l] == 1:
		kern.AxpyF32(dx[s:s+n], dy[d:], 1, 1)
	default:
		for range n {
			dx[s] += dy[d]
			s += m.src[l]
			d += m.dst[l]
		}
	}
}
