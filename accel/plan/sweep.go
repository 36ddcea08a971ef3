package plan

import (
	"cmp"
	"math"
	"slices"
)

// gap is free memory between spans in use.
type gap struct{ bytes, at int }

func byBytes(a, b gap) int { return cmp.Or(cmp.Compare(a.bytes, b.bytes), cmp.Compare(a.at, b.at)) }

// heap is the memory of a sweep: the gaps below top, and where each begins and ends.
type heap struct {
	gaps   []gap // by size
	ends   map[int]int
	starts map[int]int
	top    int
}

func (h *heap) add(at, end int) {
	g := gap{end - at, at}
	k, _ := slices.BinarySearchFunc(h.gaps, g, byBytes)
	h.gaps = slices.Insert(h.gaps, k, g)
	h.ends[at], h.starts[end] = end, at
}

func (h *heap) remove(at, end int) {
	k, _ := slices.BinarySearchFunc(h.gaps, gap{end - at, at}, byBytes)
	h.gaps = slices.Delete(h.gaps, k, k+1)
	delete(h.ends, at)
	delete(h.starts, end)
}

// take is the best-fitting gap's begin, or what is free below the top and above it.
func (h *heap) take(n int) int {
	if k, _ := slices.BinarySearchFunc(h.gaps, gap{bytes: n}, byBytes); k < len(h.gaps) {
		g := h.gaps[k]
		h.remove(g.at, g.at+g.bytes)
		if g.bytes > n {
			h.add(g.at+n, g.at+g.bytes)
		}
		return g.at
	}
	at := h.top
	if s, ok := h.starts[at]; ok {
		h.remove(s, at)
		at = s
	}
	h.top = add(at, n)
	return at
}

// free gives [at, end) back, joined with the gaps beside it.
func (h *heap) free(at, end int) {
	if s, ok := h.starts[at]; ok {
		h.remove(s, at)
		at = s
	}
	if e, ok := h.ends[end]; ok {
		h.remove(end, e)
		end = e
	}
	h.add(at, end)
}

// sweep places the used spans as an allocator would that is asked for them in time's order, larger ones
// of a step first: not as tight as Greedy's other ways, but it looks at no pairs.
func sweep(spans []Span, used []int) Plan {
	p := Plan{Offsets: make([]int, len(spans))}
	slices.SortStableFunc(used, func(i, j int) int {
		return cmp.Or(cmp.Compare(spans[i].First, spans[j].First), cmp.Compare(spans[j].Bytes, spans[i].Bytes))
	})
	over := slices.Clone(used)
	slices.SortStableFunc(over, func(i, j int) int { return cmp.Compare(spans[i].Last, spans[j].Last) })
	h := heap{ends: map[int]int{}, starts: map[int]int{}}
	for _, i := range used {
		for ; spans[over[0]].Last < spans[i].First; over = over[1:] {
			at := p.Offsets[over[0]]
			h.free(at, at+align(spans[over[0]].Bytes))
		}
		p.Offsets[i] = h.take(align(spans[i].Bytes))
		if p.Size = max(p.Size, h.top); p.Size == math.MaxInt {
			break
		}
	}
	return p
}
