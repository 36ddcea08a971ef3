package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// Limits of what is tried.
const (
	// tryTime is how long a candidate and what it competes with run, in turns.
	tryTime = 400 * time.Millisecond
	minRuns = 5
	// better is the share of a layer's time below which a candidate wins: less
	// is noise.
	better = 0.97
	// worthwhile is the same for the whole network.
	worthwhile = 0.99
)

// candidate changes a node's choice; ok is false where it changes nothing.
type candidate struct {
	name   string
	change func(c ops.Choice, threads int) (_ ops.Choice, ok bool)
}

var candidates = append([]candidate{
	{"alone", func(c ops.Choice, _ int) (ops.Choice, bool) { c.Alone = true; return c, true }},
	{"direct", winograd(ops.WinogradNone)},
	{"winograd 2", winograd(2)},
	{"winograd 4", winograd(4)},
	{"weights transformed in advance", weights(ops.WeightsReady)},
	{"weights transformed while used", weights(ops.WeightsPlain)},
	{"plain products", func(c ops.Choice, _ int) (ops.Choice, bool) { c.Plain = true; return c, true }},
	{"wide panels", panels(ops.PanelsWide)},
	{"narrow panels", panels(ops.PanelsNarrow)},
	{"cut along rows", cut(ops.CutRows)},
	{"cut along columns", cut(ops.CutColumns)},
}, blocks(12, 24, 36, 48, 72, 96, 144, 196)...)

func winograd(m int) func(ops.Choice, int) (ops.Choice, bool) {
	return func(c ops.Choice, _ int) (ops.Choice, bool) { c.Winograd = m; return c, true }
}

func weights(when int) func(ops.Choice, int) (ops.Choice, bool) {
	return func(c ops.Choice, _ int) (ops.Choice, bool) {
		c.Weights = when
		return c, c.Winograd != ops.WinogradNone
	}
}

func panels(n int) func(ops.Choice, int) (ops.Choice, bool) {
	return func(c ops.Choice, _ int) (ops.Choice, bool) { c.Panels = n; return c, true }
}

func cut(n int) func(ops.Choice, int) (ops.Choice, bool) {
	return func(c ops.Choice, threads int) (ops.Choice, bool) { c.Cut = n; return c, threads > 1 }
}

func blocks(tiles ...int) (all []candidate) {
	for _, n := range tiles {
		all = append(all, candidate{fmt.Sprintf("blocks of %d tiles", n), func(c ops.Choice, _ int) (ops.Choice, bool) {
			c.Tiles = n
			return c, c.Winograd != ops.WinogradNone
		}})
	}
	return all
}

// Step tells of a candidate that was tried: how many layers of how many are
// faster with it.
type Step struct {
	Done, Of int
	Name     string
	Faster   int
}

// Measure tries the candidates on g, one after the other, each on all
// convolutions at once, in turns with the best that was found before, and keeps
// it where a layer is faster with it. At last the whole is compared with the
// cost model's choices: an entry without nodes says that these are the best.
// progress may be nil.
func Measure(ctx context.Context, g *graph.Graph, s Setting, progress func(Step)) (*Entry, error) {
	if ctx == nil {
		return nil, errors.New("tune: nil context")
	}
	t := &tuner{ctx: ctx, g: g, s: s, best: map[string]ops.Choice{}}
	defer t.close()
	base, err := t.open(nil)
	if err != nil {
		return nil, err
	}
	t.current = base
	t.nodes(base.m.Compiled())
	e := &Entry{Model: Fingerprint(g), Machine: ThisMachine(), Setting: s, Nodes: t.best}
	for i, c := range candidates {
		n, err := t.try(c)
		if err != nil {
			return nil, fmt.Errorf("tune: %s: %w", c.name, err)
		}
		if progress != nil {
			progress(Step{i + 1, len(candidates), c.name, n})
		}
	}
	plain, err := t.open(nil)
	if err != nil {
		return nil, err
	}
	defer plain.close()
	if e.Before, e.After, err = t.turns(plain, t.current, 3*tryTime); err != nil {
		return nil, err
	}
	if len(t.best) == 0 || e.After > worthwhile*e.Before {
		e.Nodes, e.After = map[string]ops.Choice{}, e.Before
	}
	return e, nil
}

// tuner is a measurement under way.
type tuner struct {
	ctx     context.Context
	g       *graph.Graph
	s       Setting
	convs   map[graph.ID]string // the nodes that have a choice
	best    map[string]ops.Choice
	current *running // under best
}

// running is the network under some choices.
type running struct {
	m      *runtime.Model
	s      *runtime.Session
	times  []int64
	layers []float64 // the least of each, in nanoseconds
	total  float64
}

func (r *running) close() {
	if r.s != nil {
		r.s.Close()
	}
	r.m.Close()
}

func (t *tuner) close() {
	if t.current != nil {
		t.current.close()
	}
}

func (t *tuner) open(choices map[string]ops.Choice) (*running, error) {
	opts := []runtime.Option{runtime.WithThreads(t.s.Threads), runtime.WithChoices(choices)}
	if t.s.Exact {
		opts = append(opts, runtime.WithExact())
	}
	switch t.s.Precision {
	case "", "f32":
	case "bf16":
		opts = append(opts, runtime.WithBF16())
	default:
		return nil, fmt.Errorf("tune: precision %q", t.s.Precision)
	}
	m, err := runtime.New(t.g, opts...)
	if err != nil {
		return nil, err
	}
	r := &running{m: m}
	if r.s, err = m.NewSession(runtime.WithBatch(max(1, t.s.Batch))); err != nil {
		r.close()
		return nil, err
	}
	Noise(r.s)
	r.times = r.s.Profile()
	return r, r.s.Run(t.ctx)
}

// Noise fills a session's inputs, those of floats and of 8-bit integers, the same way
// every time: times on zeros flatter.
func Noise(s *runtime.Session) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range s.NumInputs() {
		switch x := s.Input(i); {
		case x.DType == tensor.F32:
			for j, v := 0, x.F32(); j < len(v); j++ {
				v[j] = float32(rng.NormFloat64())
			}
		case x.DType.IsInt8():
			for j := range x.Data {
				x.Data[j] = byte(rng.Uint32())
			}
		}
	}
}

// turns runs two in turns for about d and gives the least time of each in
// milliseconds; the least of each layer is in layers.
func (t *tuner) turns(a, b *running, d time.Duration) (ta, tb float64, err error) {
	for _, r := range []*running{a, b} {
		r.total = math.Inf(1)
		r.layers = make([]float64, len(r.times))
		for i := range r.layers {
			r.layers[i] = math.Inf(1)
		}
	}
	start := time.Now()
	for n := 0; n < minRuns || time.Since(start) < d; n++ {
		for _, r := range []*running{a, b} {
			at := time.Now()
			if err := r.s.Run(t.ctx); err != nil {
				return 0, 0, err
			}
			r.total = min(r.total, float64(time.Since(at).Nanoseconds()))
			for i, ns := range r.times {
				r.layers[i] = min(r.layers[i], float64(ns))
			}
		}
	}
	return a.total / 1e6, b.total / 1e6, nil
}

// nodes finds those that have a choice.
func (t *tuner) nodes(g *graph.Graph) {
	t.convs = map[graph.ID]string{}
	for i := range g.Len() {
		if n := g.Node(graph.ID(i)); n.Op.Kind() == ops.KindConv && n.Out.DType == tensor.F32 {
			t.convs[graph.ID(i)] = n.Name
		}
	}
}

// try measures a candidate and takes over what is faster. It returns the number
// of nodes.
func (t *tuner) try(c candidate) (int, error) {
	all, changed := map[string]ops.Choice{}, map[graph.ID]ops.Choice{}
	for id, name := range t.convs {
		all[name] = t.best[name]
		if choice, ok := c.change(all[name], t.s.Threads); ok && choice != all[name] {
			all[name], changed[id] = choice, choice
		}
	}
	if len(changed) == 0 {
		return 0, nil
	}
	r, err := t.open(all)
	if err != nil {
		return 0, err
	}
	n, err := t.compare(r, changed)
	r.close()
	if n == 0 || err != nil {
		return 0, err
	}
	next, err := t.open(t.best)
	if err != nil {
		return 0, err
	}
	t.current.close()
	t.current = next
	return n, nil
}

// shape is what layers have in common that a choice suits alike: their operators
// and the shapes of what they read and write.
func (t *tuner) shape(gr group) string {
	g := t.current.m.Compiled()
	text := fmt.Sprint(gr.differs)
	for _, id := range gr.nodes {
		n := g.Node(id)
		text += fmt.Sprint(n.Op.Kind(), graph.Attributes(n.Op), n.Out)
		for _, x := range n.In {
			text += fmt.Sprint(g.Node(x).Out)
		}
		for _, p := range n.Params {
			text += fmt.Sprint(p.Spec)
		}
	}
	return text
}

// compare takes over those of changed that make r's layers faster than the
// current ones, and says how many.
func (t *tuner) compare(r *running, changed map[graph.ID]ops.Choice) (int, error) {
	all := groups(t.current.s.Layers(), r.s.Layers())
	if !slices.ContainsFunc(all, func(g group) bool { return g.differs }) {
		return 0, nil
	}
	if _, _, err := t.turns(t.current, r, tryTime); err != nil {
		return 0, err
	}
	// Layers of one shape are decided together: their sums are less of a chance.
	type sums struct{ before, after float64 }
	shapes := map[string]*sums{}
	for _, group := range all {
		key := t.shape(group)
		if shapes[key] == nil {
			shapes[key] = &sums{}
		}
		for _, i := range group.a {
			shapes[key].before += t.current.layers[i]
		}
		for _, i := range group.b {
			shapes[key].after += r.layers[i]
		}
	}
	n := 0
	for _, group := range all {
		if sum := shapes[t.shape(group)]; !group.differs || sum.after >= better*sum.before {
			continue
		}
		for _, id := range group.nodes {
			if choice, ok := changed[id]; ok {
				t.best[t.convs[id]] = choice
				n++
			}
		}
	}
	return n, nil
}
