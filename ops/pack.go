package ops

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pages"
	"github.com/teff-ml/teff/ops/tensor"
)

// PackCache holds packed weights of one model, so that preparing the same
// operator for another batch size does not pack again. It is safe for
// concurrent use. The zero value is ready.
type PackCache struct {
	// Released is told when bytes of a weight have been packed: unless something
	// reads them again, they need not stay in memory. Set it before use, or leave
	// it nil.
	Released func(weight []byte)

	mu       sync.Mutex
	m        map[packKey][]byte
	bytes    int
	deferred bool
	large    bool // packed weights lie in regions
	regions  *packRegions
	jobs     []*packJob
}

// packJob is a weight to be packed.
type packJob struct {
	dst, weight []byte
	parts       int
	fill        func(dst []byte, part int, buf *packBuffer)
	left        atomic.Int32 // parts
}

func (c *PackCache) run(j *packJob, part int, buf *packBuffer) {
	j.fill(j.dst, part, buf)
	if c.Released == nil {
		return
	}
	if n := len(j.weight); j.left.Add(-1) == 0 {
		c.Released(j.weight)
	} else { // about what the part read
		c.Released(j.weight[n/j.parts*part : n/j.parts*(part+1)])
	}
}

// Defer leaves packing to Fill, which does it on all threads: what Pack gives
// out until then has no contents yet. With large, packed weights are expected to
// take megabytes: they are no part of Go's heap, and Free gives them back.
func (c *PackCache) Defer(large bool) {
	c.mu.Lock()
	c.deferred, c.large = true, large
	c.mu.Unlock()
}

// Fill packs what waits for it.
func (c *PackCache) Fill(w *Workers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deferred = false
	if c.regions != nil {
		c.regions.expect()
	}
	// The largest first: a weight and its packed form are both in memory when it
	// is packed, which is to happen before the rest is.
	order := make([]int, len(c.jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(c.jobs[b].weight) - len(c.jobs[a].weight) })
	t := packParts{c: c, bufs: make([]packBuffer, w.Threads())}
	for _, i := range order {
		for p := range c.jobs[i].parts {
			t.parts = append(t.parts, [2]int{i, p})
		}
	}
	w.Run(len(t.parts), &t)
	c.jobs = nil
}

// packParts are the jobs of a cache as a task.
type packParts struct {
	c     *PackCache
	parts [][2]int // job, part of it
	bufs  []packBuffer
}

// Do packs part i.
func (t *packParts) Do(i, worker int) {
	p := t.parts[i]
	t.c.run(t.c.jobs[p[0]], p[1], &t.bufs[worker])
}

// Free gives back the memory of large packed weights. No kernel that was
// prepared with them may run any more.
func (c *PackCache) Free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.regions != nil {
		c.regions.free()
		c.regions, c.m = nil, nil
	}
}

func (c *PackCache) count(n int) {
	c.mu.Lock()
	c.bytes += n
	c.mu.Unlock()
}

// alloc is n zero bytes.
func (c *PackCache) alloc(n int) []byte {
	if !c.deferred || !c.large || n == 0 {
		return tensor.AlignedBytes(n)
	}
	if c.regions == nil {
		c.regions = &packRegions{}
		runtime.AddCleanup(c, (*packRegions).free, c.regions)
	}
	return c.regions.alloc(n)
}

// packRegions are reserved address space that packed weights fill one after the
// other.
type packRegions struct {
	mu   sync.Mutex
	all  []pages.Region
	used int // bytes of the last region
	seen int // bytes of it that are expected to be written
}

// regionBytes is the least that is reserved at once. It takes no memory before
// it is touched.
const regionBytes = 64 << 20

func (r *packRegions) alloc(n int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 || r.used+n > len(r.all[len(r.all)-1].Mem) {
		r.expectLast()
		region, ok := pages.Reserve(max(n, regionBytes))
		if !ok {
			return tensor.AlignedBytes(n)
		}
		r.all = append(r.all, region)
		r.used, r.seen = 0, 0
	}
	b := r.all[len(r.all)-1].Mem[r.used : r.used+n : r.used+n]
	r.used += roundUp(n, 64)
	return b
}

func (r *packRegions) expect() {
	r.mu.Lock()
	r.expectLast()
	r.mu.Unlock()
}

func (r *packRegions) expectLast() {
	if len(r.all) > 0 {
		r.all[len(r.all)-1].Expect(r.seen, min(r.used, len(r.all[len(r.all)-1].Mem)))
		r.seen = r.used
	}
}

func (r *packRegions) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.all {
		g.Free()
	}
	r.all = nil
}

// packBuffer is scratch of a worker that packs. It grows as it must.
type packBuffer struct{ rows, other []float32 }

// floats are n floats beside the rows.
//
//go:noinline
func (b *packBuffer) floats(n int) []float32 {
	b.other = room(b.other, n)
	return b.other
}

// room is n floats, b's where they suffice.
func room(b []float32, n int) []float32 {
	if cap(b) < n {
		b = make([]float32, n)
	}
	return b[:n]
}

type packKey struct {
	data   *byte
	scale  *float32
	layout string
}

// Bytes is the size of everything packed so far.
func (c *PackCache) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Pack is weight w in a kernel's own layout: n bytes that fill writes into
// zeroed memory, at once or, after Defer, in Fill. With a cache, each layout of
// a weight is made once. layout names everything the bytes depend on beside w.
//
//go:noinline
func (p *Prep) Pack(w *tensor.Tensor, layout string, n int, fill func(dst []byte)) []byte {
	return p.PackParts(w, layout, n, 1, func(dst []byte, _ int, _ *packBuffer) { fill(dst) })
}

// PackParts is Pack of that many parts, about equal slices of w and in its
// order, which may be filled at the same time. buf is for weightRows.
func (p *Prep) PackParts(w *tensor.Tensor, layout string, n, parts int, fill func(dst []byte, part int, buf *packBuffer)) []byte {
	all := func(dst []byte) {
		var buf packBuffer
		for i := range parts {
			fill(dst, i, &buf)
		}
	}
	if p.Packs == nil || p.Training || w.Held() == 0 {
		if n <= len(p.PackBlock) {
			dst := p.PackBlock[:n]
			p.PackBlock = p.PackBlock[min(roundUp(n, 64), len(p.PackBlock)):]
			return dst // Repack fills it
		}
		dst := tensor.AlignedBytes(n)
		all(dst)
		if p.Packs != nil {
			p.Packs.count(n)
		}
		return dst
	}
	held := heldBytes(w)
	c, key := p.Packs, packKey{data: &held[0], layout: layout}
	if w.Scale() != nil {
		key.scale = &w.Scale()[0]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.m[key]; ok && len(b) == n {
		return b
	}
	dst := c.alloc(n)
	j := &packJob{dst: dst, weight: held, parts: parts, fill: fill}
	j.left.Store(int32(parts))
	if c.deferred {
		c.jobs = append(c.jobs, j)
	} else {
		all(dst)
		if c.Released != nil {
			c.Released(held)
		}
	}
	if c.m == nil {
		c.m = map[packKey][]byte{}
	}
	c.m[key] = dst
	c.bytes += n
	return dst
}

// narrow is how w is packed in fewer bits for g without losing one, with the step of each row where that is NarrowI8: found once by
// looking at all of it, or, where there is no such way, at its start.
func (p *Prep) narrow(g *kern.GemmF32, w *tensor.Tensor) (kern.Narrow, []float32) {
	if w.Source() != nil {
		return narrowSource(g, w)
	}
	c, rows := p.Packs, w.Shape.Dim(0)
	key := packKey{data: &w.Data[0], layout: g.Name}
	var b []byte
	if c != nil {
		c.mu.Lock()
		b = c.m[key]
		c.mu.Unlock()
	}
	if b == nil {
		b = tensor.AlignedBytes(4 * roundUp(rows, kern.StripStep))
		steps := tensor.CastSlice[float32](b)
		way := g.Narrow(tensor.CastSlice[float32](w.Data), w.Shape.Elems()/rows, steps[:rows])
		if way != kern.NarrowI8 {
			b = []byte{byte(way)}
		}
		if c != nil {
			c.keep(key, b)
		}
	}
	steps := tensor.CastSlice[float32](b)
	if len(steps) == 0 {
		return kern.Narrow(b[0]), nil
	}
	return kern.NarrowI8, steps
}

// narrowSource is narrow by what w's source says of its elements.
func narrowSource(g *kern.GemmF32, w *tensor.Tensor) (kern.Narrow, []float32) {
	switch {
	case !g.Narrows():
	case w.Source().Half():
		return kern.NarrowF16, nil
	default:
		rows := w.Shape.Dim(0)
		if s := w.Source().Steps(w.Shape.Elems() / rows); len(s) == rows {
			return kern.NarrowI8, append(make([]float32, 0, roundUp(rows, kern.StripStep)), s...)[:roundUp(rows, kern.StripStep)]
		}
	}
	return kern.NarrowNone, nil
}

// heldBytes is what a weight's elements are decoded from, or the elements.
func heldBytes(w *tensor.Tensor) []byte {
	if w.Source() != nil {
		return w.Source().Bytes()
	}
	return w.Data
}

// keep notes what belongs to key.
func (c *PackCache) keep(key packKey, b []byte) {
	c.mu.Lock()
	if c.m == nil {
		c.m = map[packKey][]byte{}
	}
	c.m[key] = b
	c.mu.Unlock()
}

// weightRows are the elements of a float32 weight at indices lo to hi of its
// first dimension: where they lie, or, with a Scale, scaled in buf.
func weightRows(w *tensor.Tensor, lo, hi int, buf *packBuffer) []float32 {
	row := w.Held() / 4 / max(1, w.Shape.Dim(0))
	var v []float32
	if w.Source() == nil {
		v = tensor.CastSlice[float32](w.Data)[lo*row : hi*row]
	} else {
		if buf == nil {
			buf = &packBuffer{}
		}
		buf.rows = room(buf.rows, (hi-lo)*row)
		v = buf.rows
		w.Source().Floats(v, lo*row)
	}
	if w.Scale() == nil {
		return v
	}
	buf.rows = room(buf.rows, len(v))
	for i, f := range w.Scale()[lo:hi] {
		kern.BinaryScalarF32(kern.Mul, buf.rows[i*row:(i+1)*row], v[i*row:(i+1)*row], f, negInf, posInf)
	}
	return buf.rows
}
