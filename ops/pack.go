package ops

import (
	"sync"

	"github.com/teff-ml/teff/ops/tensor"
)

// PackCache holds packed weights of one model, so that preparing the same
// operator for another batch size does not pack again. It is safe for
// concurrent use. The zero value is ready.
type PackCache struct {
	// Released is told when a weight has been packed: unless something reads it
	// again, it need not stay in memory. Set it before use, or leave it nil.
	Released func(weight []byte)

	mu       sync.Mutex
	m        map[packKey][]byte
	bytes    int
	deferred bool
	jobs     []packJob
}

// packJob is a weight to be packed.
type packJob struct {
	dst, weight []byte
	fill        func(dst []byte)
}

func (j *packJob) run(c *PackCache) {
	j.fill(j.dst)
	if c.Released != nil {
		c.Released(j.weight)
	}
}

// Defer leaves packing to Fill, which does it on all threads: what Pack gives
// out until then has no contents yet.
func (c *PackCache) Defer() {
	c.mu.Lock()
	c.deferred = true
	c.mu.Unlock()
}

// Fill packs what waits for it.
func (c *PackCache) Fill(w *Workers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deferred = false
	w.Run(len(c.jobs), packJobs{c})
	c.jobs = nil
}

// packJobs are the jobs of a cache as a task.
type packJobs struct{ c *PackCache }

// Do packs weight i.
func (t packJobs) Do(i, _ int) { t.c.jobs[i].run(t.c) }

func (c *PackCache) count(n int) {
	c.mu.Lock()
	c.bytes += n
	c.mu.Unlock()
}

type packKey struct {
	data   *byte
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
func (p *Prep) Pack(w tensor.Tensor, layout string, n int, fill func(dst []byte)) []byte {
	if p.Packs == nil || p.Training || len(w.Data) == 0 {
		if n <= len(p.PackBlock) {
			dst := p.PackBlock[:n]
			p.PackBlock = p.PackBlock[min(roundUp(n, 64), len(p.PackBlock)):]
			return dst // Repack fills it
		}
		dst := tensor.AlignedBytes(n)
		fill(dst)
		if p.Packs != nil {
			p.Packs.count(n)
		}
		return dst
	}
	c, key := p.Packs, packKey{&w.Data[0], layout}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.m[key]; ok && len(b) == n {
		return b
	}
	dst := tensor.AlignedBytes(n)
	if job := (packJob{dst, w.Data, fill}); c.deferred {
		c.jobs = append(c.jobs, job)
	} else {
		job.run(c)
	}
	if c.m == nil {
		c.m = map[packKey][]byte{}
	}
	c.m[key] = dst
	c.bytes += n
	return dst
}
