package train

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
)

// Parameters are updated as soon as their gradients are complete, node by node
// on the way back, where no update waits for the gradients of all: then a
// gradient lives in the arena as long as its node's turn lasts, and is still in
// a cache.

// early reports whether nodes update their parameters in their turn.
func (c *Config) early() bool {
	return c.ClipNorm == 0 && c.Accumulate == 1 && c.Grow == nil && !c.Gradients
}

// updatePart is as many elements of a parameter as one task updates.
const updatePart = 1 << 16

// updateTask updates some parameters.
type updateTask struct {
	t     *Trainer
	parts []paramPart
}

// paramPart is a range of a parameter's elements: all, where only some of its
// channels learn.
type paramPart struct {
	p        *param
	from, to int
}

func (x *updateTask) add(p *param) {
	if p.channels != nil {
		x.parts = append(x.parts, paramPart{p, 0, len(p.g)})
		return
	}
	for at := 0; at < len(p.g); at += updatePart {
		x.parts = append(x.parts, paramPart{p, at, min(at+updatePart, len(p.g))})
	}
}

func (x *updateTask) run() { x.t.pool.Run(len(x.parts), x) }

// Do updates part i, unless its gradient, or one before it in this step, is no number:
// looking at what is read next anyway costs nothing that could be measured.
func (x *updateTask) Do(i, _ int) {
	r, o := &x.parts[i], x.t.cfg.Optimizer
	p := r.p
	if x.t.spoilt.Load() != nil {
		return
	}
	if !ops.Finite(p.g[r.from:r.to]) {
		x.t.spoilt.CompareAndSwap(nil, p)
		return
	}
	u := x.t.now.of(p)
	if p.channels != nil {
		p.updateChannels(o, u)
		return
	}
	var state [2][]float32
	for s := range o.slots() {
		state[s] = p.state[s][r.from:r.to]
	}
	o.update(u, p.w[r.from:r.to], p.g[r.from:r.to], state)
}

// squares adds up the squares of gradients, part by part of an update.
type squares struct {
	parts []paramPart
	sums  []float64
}

// Do adds up part i, in four sums: one would wait for each addition.
func (s *squares) Do(i, _ int) {
	r := &s.parts[i]
	g := r.p.g[r.from:r.to]
	var a, b, c, d float64
	for ; len(g) >= 4; g = g[4:] {
		a += float64(g[0]) * float64(g[0])
		b += float64(g[1]) * float64(g[1])
		c += float64(g[2]) * float64(g[2])
		d += float64(g[3]) * float64(g[3])
	}
	for _, v := range g {
		a += float64(v) * float64(v)
	}
	s.sums[i] = (a + b) + (c + d)
}

// prepare sets what all parameters of the next update have in common.
func (t *Trainer) prepare(accumulated int) {
	t.now = update{rate: t.cfg.Schedule(t.updates), scale: 1 / float32(accumulated), n: t.updates}
}

// clip scales accumulated gradients down to the norm allowed.
func (t *Trainer) clip() error {
	if t.cfg.ClipNorm <= 0 {
		return nil
	}
	t.pool.Run(len(t.squares.parts), &t.squares)
	sum := 0.0
	for _, s := range t.squares.sums { // in this order for any number of threads
		sum += s
	}
	norm := math.Sqrt(sum) * float64(t.now.scale)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return fmt.Errorf("%w: gradients of norm %v at step %d", ErrDiverged, norm, t.step)
	}
	if norm > float64(t.cfg.ClipNorm) {
		t.now.scale *= float32(float64(t.cfg.ClipNorm) / norm)
	}
	return nil
}

// updated notes an update, or why it was given up.
func (t *Trainer) updated() error {
	t.accumulated = 0
	t.repack()
	if p := t.spoilt.Swap(nil); p != nil {
		return fmt.Errorf("%w: the gradient of %s is no number at step %d", ErrDiverged, p.name, t.step)
	}
	t.updates++
	return nil
}

// repack brings packed copies up to date with the parameters.
func (t *Trainer) repack() {
	for i := range t.fwd {
		if r := &t.fwd[i]; r.repack != nil && r.block == nil {
			r.repack.Repack(&r.args)
		}
	}
}
