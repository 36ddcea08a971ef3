// Package plan turns lifetimes into offsets: buffers that are never needed at
// the same time share memory.
//
// The problem is dynamic storage allocation, which is NP-hard; what works well
// for networks is greedy by size (Pisarchyk and Lee 2020): take the largest
// buffer first and put it into the smallest gap that is free during its whole
// life between the buffers already placed, or after them when no gap is large
// enough. Big buffers get the good places, small ones fill what is left.
// Greedy does that in a few orders (by size, by size times duration, by time),
// each a few times with what stuck out moved to the front, and keeps the
// smallest result, which is a matter of microseconds. That looks at pairs of spans:
// of many thousands, fewer orders are tried, and one at least.
package plan

import (
	"cmp"
	"math"
	"slices"
)

// Align is the alignment of every offset: a cache line, and the widest vector.
const Align = 64

// Span is a buffer's size and life: it is in use from step First to step Last,
// both included. Steps are small integers; spans with a Last before their
// First are never in use.
type Span struct {
	Bytes       int
	First, Last int
}

func (s Span) overlaps(t Span) bool { return s.First <= t.Last && t.First <= s.Last }

// Plan is where each span lies. Size is math.MaxInt where the spans take more bytes than an int counts; the offsets mean
// nothing then.
type Plan struct {
	Offsets []int
	Size    int
}

func align(n int) int { return (n + Align - 1) &^ (Align - 1) }

// add is a + b for numbers of bytes, at most math.MaxInt: a file may declare values as large as it likes.
func add(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

// Greedy places the spans.
func Greedy(spans []Span) Plan {
	var best Plan
	bySize := func(a, b Span) int { return cmp.Compare(b.Bytes, a.Bytes) }
	orders := []func(a, b Span) int{
		bySize,
		func(a, b Span) int {
			return cmp.Or(cmp.Compare(b.Bytes*(b.Last-b.First+1), a.Bytes*(a.Last-a.First+1)), bySize(a, b))
		},
		func(a, b Span) int { return cmp.Or(cmp.Compare(a.First, b.First), bySize(a, b)) },
		func(a, b Span) int { return cmp.Or(cmp.Compare(b.Last, a.Last), bySize(a, b)) },
	}
	bound := LowerBound(spans)
	used := make([]int, 0, len(spans))
	for j, s := range spans {
		if s.Bytes > 0 && s.First <= s.Last {
			used = append(used, j)
		}
	}
	tries := max(1, maxPairs/(len(used)*len(used)/2+1))
	for i, order := range orders[:min(tries, len(orders))] {
		queue := slices.Clone(used)
		slices.SortStableFunc(queue, func(i, j int) int { return order(spans[i], spans[j]) })
		for try := range max(1, min(retries, tries/len(orders))) {
			p := place(spans, queue)
			if i == 0 && try == 0 || p.Size < best.Size {
				best = p
			}
			if best.Size <= bound {
				return best
			}
			// What sticks out at the end came too late: let it choose first.
			k := slices.IndexFunc(queue, func(j int) bool { return add(p.Offsets[j], align(spans[j].Bytes)) == p.Size })
			if k <= 0 {
				break
			}
			late := queue[k]
			copy(queue[1:k+1], queue[:k])
			queue[0] = late
		}
	}
	return best
}

// retries bounds the attempts at each order, maxPairs the pairs of spans that all of them look at, a quarter of
// a second's: 2048 spans have all attempts, 16384 one.
const (
	retries  = 16
	maxPairs = 1 << 27
)

// place puts the spans into best-fitting gaps in the queue's order.
func place(spans []Span, queue []int) Plan {
	p := Plan{Offsets: make([]int, len(spans))}
	placed := make([]int, 0, len(queue)) // by offset
	for _, i := range queue {
		s := spans[i]
		need := align(s.Bytes)
		at, gap, end := -1, math.MaxInt, 0
		for _, j := range placed {
			if !s.overlaps(spans[j]) {
				continue
			}
			if room := p.Offsets[j] - end; room >= need && room < gap {
				at, gap = end, room
			}
			end = max(end, add(p.Offsets[j], align(spans[j].Bytes)))
		}
		if at < 0 {
			at = end
		}
		p.Offsets[i] = at
		p.Size = max(p.Size, add(at, need))
		k := len(placed)
		for k > 0 && p.Offsets[placed[k-1]] >= at {
			k--
		}
		placed = append(placed, 0)
		copy(placed[k+1:], placed[k:])
		placed[k] = i
	}
	return p
}

// LowerBound is the largest sum of sizes in use at one step, at most
// math.MaxInt: no plan is smaller.
func LowerBound(spans []Span) int {
	change := map[int]float64{} // exact up to 2^53, and beyond that only compared with what no machine has
	for _, s := range spans {
		if s.Bytes > 0 && s.First <= s.Last {
			change[s.First] += float64(align(s.Bytes))
			change[s.Last+1] -= float64(align(s.Bytes))
		}
	}
	steps := make([]int, 0, len(change))
	for t := range change {
		steps = append(steps, t)
	}
	slices.SortStableFunc(steps, cmp.Compare[int]) // the sort that queues need, too
	most, now := 0.0, 0.0
	for _, t := range steps {
		now += change[t]
		most = max(most, now)
	}
	if most >= math.MaxInt {
		return math.MaxInt
	}
	return int(most)
}
