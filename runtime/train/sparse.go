package train

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/teff-ml/teff/ops/graph"
)

// Part is one parameter as a sparse plan sees it.
type Part struct {
	Name   string  // "node.index", as Trainer.Parameters has it
	Elems  int     // numbers in it
	Score  float64 // squared norm of its gradient, mean over the batches measured, times Config.Rates
	Bytes  int     // what training it adds to the least plan, alone
	Chosen bool
	// Channels are the output channels that were chosen, nil: all. Scores has
	// each channel's part of Score; nil where channels cannot be chosen.
	Channels []int
	Scores   []float64
}

// worth is what the choice of it counts.
func (p *Part) worth() (sum float64) {
	switch {
	case !p.Chosen:
		return 0
	case p.Channels == nil:
		return p.Score
	}
	for _, c := range p.Channels {
		sum += p.Scores[c]
	}
	return sum
}

// best are the n channels of the largest scores, in order.
func (p *Part) best(n int) []int {
	c := make([]int, len(p.Scores))
	for i := range c {
		c[i] = i
	}
	slices.SortStableFunc(c, func(a, b int) int { return cmp.Compare(p.Scores[b], p.Scores[a]) })
	c = c[:n]
	slices.Sort(c)
	return c
}

// Sparse is a choice of parameters that trains within a number of bytes.
type Sparse struct {
	Parts []Part
	// Config is the configuration given, with the choice as Trainable. Its
	// batch may be smaller and Accumulate larger by as much: updates see as
	// many rows as before.
	Config    Config
	PeakBytes int // what New holds with Config, exactly
}

// worth is the sum of what was chosen.
func (s *Sparse) worth() (sum float64) {
	for i := range s.Parts {
		sum += s.Parts[i].worth()
	}
	return sum
}

// ErrBudget says that not even the least plan fits.
var ErrBudget = errors.New("train: the byte budget is too small")

// PlanBytes is what PeakBytes of a Trainer would be, without its arena being
// allocated.
func PlanBytes(g *graph.Graph, cfg Config) (int, error) {
	if err := cfg.defaults(); err != nil {
		return 0, err
	}
	net, err := build(g, &cfg)
	if err != nil {
		return 0, err
	}
	threads := cfg.Threads
	if threads < 1 {
		threads = goruntime.GOMAXPROCS(0)
	}
	s, err := newSchedule(net, &cfg, threads)
	if err != nil {
		return 0, err
	}
	return s.bytes(), nil
}

// ChooseSparse finds what of g to train so that PeakBytes is at most budget.
// must names layers that learn in any case, such as a new head; it may be nil.
//
// A parameter's worth is the squared norm of its gradient, to which a small
// step along it lowers the loss in proportion; fill writes the minibatches it
// is measured on, steps of them, into a trainer of cfg.Batch rows or fewer. Its
// price is what the exact plan holds with it beyond what the plan without it
// holds: values that its layer's gradient needs and gradients on the way to it,
// its own gradient, optimiser state and live copy. Parameters are taken in
// order of worth per byte as long as the exact plan fits; of one that does not
// fit, the channels of the largest gradients may. That is tried for
// cfg.Batch, for half of it, and so on, and the choice of the largest worth is
// the result.
//
// Measuring takes more memory than the plan: it is done where there is some.
func ChooseSparse(g *graph.Graph, cfg Config, budget int, must []string, steps int, fill func(step int, t *Trainer) error) (*Sparse, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	parts, err := measure(g, cfg, steps, fill)
	if err != nil {
		return nil, err
	}
	var best *Sparse
	bestWorth, least := -1.0, 0
	for batch, accumulate := cfg.Batch, cfg.Accumulate; ; batch, accumulate = batch/2, accumulate*2 {
		for _, lean := range []bool{cfg.Lean, true} { // the second costs time
			c := &chooser{g: g, cfg: cfg, budget: budget, parts: slices.Clone(parts), chosen: map[string][]int{}}
			c.cfg.Batch, c.cfg.Accumulate, c.cfg.Lean = batch, accumulate, lean
			if cfg.Grow != nil {
				factor := accumulate / cfg.Accumulate
				c.cfg.Grow = func(update int) int { return factor * cfg.Grow(update) }
			}
			s, err := c.choose(must)
			if err != nil {
				return nil, err
			}
			if least == 0 || c.least < least {
				least = c.least
			}
			if s != nil && s.worth() > bestWorth {
				best, bestWorth = s, s.worth()
			}
		}
		if batch%2 != 0 || !g.Batched() {
			break
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%w: %d bytes, the least plan holds %d", ErrBudget, budget, least)
	}
	return best, nil
}

// measure finds every parameter's mean squared gradient norm.
func measure(g *graph.Graph, cfg Config, steps int, fill func(int, *Trainer) error) ([]Part, error) {
	if steps < 1 {
		return nil, fmt.Errorf("train: a sparse plan measured on %d batches", steps)
	}
	c := cfg
	c.Optimizer, c.Schedule, c.Accumulate, c.Grow, c.ClipNorm, c.Channels = SGD{}, Constant(0), 1, nil, 0, nil
	c.Gradients = true
	t, err := New(g, c)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	parts := make([]Part, len(t.params))
	for i := range t.params {
		p := &t.params[i]
		parts[i] = Part{Name: p.name, Elems: len(p.w)}
		if n := t.net.g.Node(p.key.node); hasChannels(n, p.key.param) {
			parts[i].Scores = make([]float64, n.Params[0].Shape.Dim(0))
		}
	}
	for s := range steps {
		if err := fill(s, t); err != nil {
			return nil, err
		}
		if _, err := t.StepInPlace(); err != nil {
			return nil, err
		}
		for i := range t.params {
			g, scores, rate := t.params[i].g, parts[i].Scores, float64(t.params[i].rate)
			for j, v := range g {
				x := rate * float64(v) * float64(v) / float64(steps)
				parts[i].Score += x
				if scores != nil {
					scores[j/(len(g)/len(scores))] += x
				}
			}
		}
	}
	return parts, nil
}

// chooser plans one batch size.
type chooser struct {
	g      *graph.Graph
	cfg    Config
	budget int
	parts  []Part
	chosen map[string][]int // to the channels, nil: all
	least  int              // bytes of the smallest plan seen
}

// config is the configuration that trains what is chosen, and one more.
func (c *chooser) config(more string, channels []int) Config {
	cfg, chosen := c.cfg, maps.Clone(c.chosen)
	if more != "" {
		chosen[more] = channels
	}
	cfg.Trainable = func(n *graph.Node, param int) bool {
		_, ok := chosen[paramName(n, param)]
		return ok
	}
	cfg.Channels = func(n *graph.Node, param int) []int { return chosen[paramName(n, param)] }
	return cfg
}

// bytes is the plan of that.
func (c *chooser) bytes(more string, channels []int) (int, error) {
	cfg := c.config(more, channels)
	n, err := PlanBytes(c.g, cfg)
	if err == nil && (c.least == 0 || n < c.least) {
		c.least = n
	}
	return n, err
}

func (c *chooser) choose(must []string) (*Sparse, error) {
	for i := range c.parts {
		p := &c.parts[i]
		if j := slices.IndexFunc(must, func(layer string) bool { return p.Name[:strings.LastIndexByte(p.Name, '.')] == layer }); j >= 0 {
			p.Chosen, c.chosen[p.Name] = true, nil
		}
	}
	base := 0
	if len(c.chosen) > 0 {
		n, err := c.bytes("", nil)
		if err != nil {
			return nil, err
		}
		if base = n; base > c.budget {
			return nil, nil
		}
	}
	order := make([]*Part, 0, len(c.parts))
	for i := range c.parts {
		p := &c.parts[i]
		n, err := c.bytes(p.Name, nil)
		if err != nil {
			return nil, err
		}
		if p.Bytes = n; !p.Chosen {
			order = append(order, p)
		}
	}
	least := base
	for i := range c.parts { // with nothing chosen yet, something has to be
		if least == 0 || c.parts[i].Bytes < least {
			least = c.parts[i].Bytes
		}
	}
	for i := range c.parts {
		c.parts[i].Bytes -= least
	}
	slices.SortStableFunc(order, func(a, b *Part) int {
		return cmp.Compare(b.Score*float64(max(1, a.Bytes)), a.Score*float64(max(1, b.Bytes)))
	})
	peak := base
	for _, p := range order {
		for _, channels := range p.choices() {
			n, err := c.bytes(p.Name, channels)
			if err != nil {
				return nil, err
			}
			if n <= c.budget {
				p.Chosen, p.Channels, c.chosen[p.Name], peak = true, channels, channels, n
				break
			}
		}
	}
	if peak == 0 {
		return nil, nil
	}
	return &Sparse{Parts: c.parts, Config: c.config("", nil), PeakBytes: peak}, nil
}

// choices are what of a part is tried in turn: all of it, or the best half,
// quarter and eighth of its channels.
func (p *Part) choices() [][]int {
	c := [][]int{nil}
	for n := len(p.Scores) / 2; n >= max(1, len(p.Scores)/8); n /= 2 {
		c = append(c, p.best(n))
	}
	return c
}
