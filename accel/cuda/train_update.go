package cuda

import (
	"errors"
	"fmt"
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// learns says whether a step changes a parameter by its gradient.
func learns(c *TrainConfig, g *graph.Graph, id graph.ID, param int) bool {
	n := g.Node(id)
	return n.Params[param].DType == tensor.F32 && !isStatistic(n, param) && c.Learns(id, param)
}

// isStatistic says that a parameter is a batch norm's running mean or variance.
func isStatistic(n *graph.Node, param int) bool {
	return n.Op.Kind() == ops.KindBatchNorm && param >= 2
}

// gathers says that gradients wait: for other steps', or for all others' norms.
func accumulates(c *TrainConfig) bool { return c.Accumulate || c.Clip > 0 }

// rateOf is what the step's rate is multiplied by for a parameter.
func (b *backward) rateOf(w *trained) float32 {
	if b.c.Rates == nil || isStatistic(b.g.Node(w.node), w.param) {
		return 1
	}
	return b.c.Rates(w.node, w.param)
}

// findRates lists the rates other than the step's own, each once.
func (b *backward) findRates(t *Trainer) {
	for i := range t.params {
		if r := b.rateOf(&t.params[i]); r != 1 && !slices.Contains(b.rates, r) {
			b.rates = append(b.rates, r)
		}
	}
}

// numbers are the step's as a parameter's update reads them: with its own rate.
func (b *backward) numbers(w *trained) ref {
	r := b.step
	if i := slices.Index(b.rates, b.rateOf(w)); i >= 0 {
		r.offset += 8*len(b.dropped) + 4*stepNumbers*(i+1)
	}
	return r
}

// learned is a parameter's gradient.
type learned struct {
	param int
	grad  ref
}

// judge lowers the decision on an update, by the loss and n sums of squares.
func (b *backward) judge(nd *node, rows, n int) {
	nd.call("verdict_f32", [3]int{1, 1, 1}, []param{at(b.loss), at(b.sums), at(b.step), at(b.verdict)}, ints(rows, n), []param{num(float64(b.c.Clip))})
}

// squaresOf is how many numbers a block of squares_f32 adds up.
const squaresOf = 1 << 14

// updateAll updates after all gradients have come, by their norm where it is bounded.
func (b *backward) updateAll(t *Trainer, rows int) {
	end := 2*b.n + 1
	nd := b.at(b.scores, end)
	blocks := 0
	each := func(f func(w *trained, sum ref)) {
		for i := range t.params {
			if sum, there := t.params[i].part(accel.PartGradient); there {
				f(&t.params[i], sum)
			}
		}
	}
	if b.c.Clip > 0 {
		each(func(w *trained, _ ref) { blocks += (w.elems + squaresOf - 1) / squaresOf })
		b.sums = b.buffer(8*max(1, blocks), end, end)
		next := b.sums
		each(func(w *trained, sum ref) {
			n := (w.elems + squaresOf - 1) / squaresOf
			nd.call("squares_f32", [3]int{n, 1, 1}, []param{at(sum), at(next)}, ints(w.elems))
			next.offset += 8 * n
		})
	}
	b.judge(nd, rows, blocks)
	each(func(w *trained, sum ref) { b.update(nd, w, sum) })
	b.add(nd.step)
}

// update moves a parameter by its gradient.
func (b *backward) update(nd *node, w *trained, grad ref) {
	var parts [4]ref
	for i := range parts {
		if r, there := w.part(accel.Part(i)); there {
			parts[i] = r
		}
	}
	value, state0, state1 := at(parts[accel.PartValue]), at(parts[accel.PartState0]), at(parts[accel.PartState1])
	decay := 0.0
	if b.c.Decays(w.node, w.param) {
		decay = float64(b.c.WeightDecay)
	}
	flag := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	n, step := w.elems, at(b.numbers(w))
	switch b.c.Rule {
	case accel.RuleAdam:
		nd.count("adam_f32", n, []param{value, at(grad), state0, state1, step, at(b.verdict)}, ints(n),
			[]param{num(float64(b.c.Beta1)), num(float64(b.c.Beta2)), num(float64(b.c.Eps)), num(decay)}, ints(flag(!b.c.Decoupled)))
	case accel.RuleAdagrad:
		nd.count("adagrad_f32", n, []param{value, at(grad), state0, step, at(b.verdict)}, ints(n), []param{num(float64(b.c.Eps)), num(decay)})
	default:
		nd.count("sgd_f32", n, []param{value, at(grad), state0, step, at(b.verdict)}, ints(n),
			[]param{num(float64(b.c.Momentum)), num(decay)}, ints(flag(b.c.Nesterov), flag(b.c.Decoupled)))
	}
}

// bad says that v is no number or infinite.
func bad(v float32) bool { return v-v != 0 }

// keep lowers a copy of the running statistics, made before a step moves them.
func (t *Trainer) keep(nd *node) {
	if n := t.moving / 4; n > 0 {
		nd.copy(ref{in: inState}, t.kept, []int{n}, []int{1}, 0, []int{1}, 0)
	}
}

// undo puts the running statistics back after a step that changed nothing else.
func (t *Trainer) undo() error {
	if t.moving == 0 {
		return nil
	}
	b, drv := make([]byte, t.moving), t.s.p.b.drv
	err := drv.ToHost(t.s.stream, b, t.memory+driver.Ptr(t.kept.offset))
	if err == nil {
		err = drv.Sync(t.s.stream)
	}
	if err == nil {
		err = drv.ToDevice(t.s.stream, t.memory, b)
	}
	if err = errors.Join(err, drv.Sync(t.s.stream)); err != nil {
		return fmt.Errorf("cuda: putting back running statistics: %w", err)
	}
	return nil
}
