package ops

import (
	"sync"

	"github.com/teff-ml/teff/ops/tensor"
)

// PackCache holds packed weights of one model, so that preparing the same
// operator for another batch size does not pack again. It is safe for
// concurrent use. The zero value is ready.
type PackCache struct {
	mu    sync.Mutex
	m     map[packKey][]byte
	bytes int
}

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
// zeroed memory. With a cache, each layout of a weight is made once. layout
// names everything the bytes depend on beside w.
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
	fill(dst)
	if c.m == nil {
		c.m = map[packKey][]byte{}
	}
	c.m[key] = dst
	c.bytes += n
	return dst
}
