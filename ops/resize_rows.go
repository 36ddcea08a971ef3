package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// resizeRows resizes along the last dimension first, each row of the input once,
// and sums whole rows for the dimensions before it: the sums over few elements,
// one position after the other, are as many as the input has rows, not the result.
type resizeRows struct {
	*resizeKernel
	slots int // rows that one line reads, which are kept for the next
	n     int // elements of a row
}

const (
	resizeSlots = 16
	resizeBlock = 2048 // elements of a line that are summed over all its rows while they are in the first cache
)

// rows is k by rows, or nil where nothing is gained.
func (k *resizeKernel) rows(p *Prep) Kernel {
	slots := 1
	for d := range max(k.rank-1, 0) {
		slots = min(slots*k.axes[d].taps, resizeSlots+1)
	}
	if slots == 1 || slots > resizeSlots {
		return nil
	}
	r := &resizeRows{k, slots, k.axes[k.rank-1].out * k.inner}
	if p.Threads > 1 {
		k.chunk = max(k.chunk, k.lines()/(4*p.Threads)) // each part makes its first rows anew
	}
	p.NeedScratch(4 * max(1, p.Threads) * slots * r.n)
	return r
}

func (k *resizeRows) Run(a *Args) { a.Parallel((k.lines()+k.chunk-1)/k.chunk, k) }

// resizeLine is the rows that a line is the sum of.
type resizeLine struct {
	x     []float32
	at    [tensor.MaxRank]int
	rows  []float32        // [slots][n]
	held  [resizeSlots]int // 1 + where the row in each slot starts in x
	slot  [resizeSlots]int
	share [resizeSlots]float32
	taps  int
}

// Do computes some lines.
func (k *resizeRows) Do(a *Args, i, worker int) {
	s := resizeLine{x: argF32(a, k.params, 0), rows: tensor.CastSlice[float32](a.Scratch)[worker*k.slots*k.n:][:k.slots*k.n]}
	for line := i * k.chunk; line < min(k.lines(), (i+1)*k.chunk); line++ {
		y, outside := f32(&a.Out)[line*k.n:][:k.n], false
		if s.at, _, outside = k.place(line); outside {
			for j := range y {
				y[j] = k.value
			}
			continue
		}
		s.taps = 0
		k.find(&s, 0, 0, 0, 1)
		for from := 0; from < k.n; from += resizeBlock {
			to := min(from+resizeBlock, k.n)
			clear(y[from:to])
			for t, slot := range s.slot[:s.taps] {
				kern.AxpyF32(y[from:to], s.rows[slot*k.n:][from:to], s.share[t], 1)
			}
		}
		k.border(y)
	}
}

// find lists the rows from dimension d on, and makes those that are not there.
// Taps are neighbours, so that a row's place modulo their number is a slot of its
// own among those of a line.
func (k *resizeRows) find(s *resizeLine, d, src, slot int, w float32) {
	if d == k.rank-1 {
		if s.held[slot] != src+1 {
			row := s.rows[slot*k.n:][:k.n]
			clear(row)
			k.line(row, s.x[src:], &k.axes[d], 1)
			s.held[slot] = src + 1
		}
		s.slot[s.taps], s.share[s.taps] = slot, w
		s.taps++
		return
	}
	ax := &k.axes[d]
	for t := s.at[d] * ax.taps; t < (s.at[d]+1)*ax.taps; t++ {
		if v := w * ax.weight[t]; v != 0 {
			j := int(ax.index[t])
			k.find(s, d+1, src+j*k.stride[d], slot*ax.taps+j%ax.taps, v)
		}
	}
}

// copyLine copies each position of a line from its nearest one.
func (k *resizeKernel) copyLine(y, x []byte) {
	index, run := k.axes[k.rank-1].index, k.inner*k.size // also from one to the next
	if run == 4 {
		to, from := tensor.CastSlice[uint32](y), tensor.CastSlice[uint32](x)
		for j, v := range index {
			to[j] = from[v]
		}
		return
	}
	for j, v := range index {
		copy(y[j*run:][:run], x[int(v)*run:])
	}
}

// border sets what of a line lies outside of the input.
//
//go:noinline
func (k *resizeKernel) border(y []float32) {
	for j, out := range k.axes[k.rank-1].outside {
		for c := j * k.inner; out && c < (j+1)*k.inner; c++ {
			y[c] = k.value
		}
	}
}

// sum adds w times the rows that dimensions d and later of a line read.
func (k *resizeKernel) sum(y, x []float32, at *[tensor.MaxRank]int, d, src int, w float32) {
	ax := &k.axes[d]
	if d == k.rank-1 {
		k.line(y, x[src:], ax, w)
		return
	}
	for t := at[d] * ax.taps; t < (at[d]+1)*ax.taps; t++ {
		if v := w * ax.weight[t]; v != 0 {
			k.sum(y, x, at, d+1, src+int(ax.index[t])*k.stride[d], v)
		}
	}
}

// line adds w times the taps of the last dimension to each position of y, one
// tap after the other; a tap of weight 0 is not read.
func (k *resizeKernel) line(y, x []float32, ax *resizeAxis, w float32) {
	step, inner := k.stride[k.rank-1], k.inner
	if inner == 1 {
		k.narrowLine(y, x, ax, w)
		return
	}
	for j := range ax.out {
		to := y[j*inner:][:inner]
		for t := j * ax.taps; t < (j+1)*ax.taps; t++ {
			v, from := w*ax.weight[t], x[int(ax.index[t])*step:][:len(to)]
			switch {
			case v == 0:
			case k.vector:
				kern.AxpyF32(to, from, v, 1)
			default:
				for c, f := range from {
					to[c] += v * f
				}
			}
		}
	}
}

// narrowLine is line for one element behind the last dimension.
func (k *resizeKernel) narrowLine(y, x []float32, ax *resizeAxis, w float32) {
	n := ax.taps
	for j := range y {
		index, weight := ax.index[j*n:][:n], ax.weight[j*n:][:n]
		sum := y[j]
		for t, v := range weight {
			if v *= w; v != 0 {
				sum += v * x[index[t]]
			}
		}
		y[j] = sum
	}
}
