// Package train fine-tunes a network where it runs: reverse-mode
// differentiation planned once, forward, kept values, backward and update in
// one arena whose size is known before the first step, and steps that allocate
// nothing.
//
//	t, err := train.New(g, train.Config{Batch: 32, Optimizer: train.SGD{Momentum: 0.9, WeightDecay: 1e-4}, Schedule: train.Cosine(0.1, steps)})
//	loss, err := t.Step(images, labels)
//	tuned, err := t.Graph()
//	err = format.WriteFile("tuned.teff", tuned, nil)
package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Loss is what training makes small.
type Loss uint8

// The losses. CrossEntropy takes a class a row as label (int32) and applies
// softmax itself: a Softmax that ends the network is left out while it trains.
// BinaryCrossEntropy applies the logistic function itself and, like
// MeanSquares, takes a float target of the output's shape. Custom is what the
// program computes: StepFunc.
const (
	CrossEntropy Loss = iota
	BinaryCrossEntropy
	MeanSquares
	Custom
)

// Norm is what batch norm does in training.
type Norm uint8

// The forms of batch norm in training: statistics of the batch, running ones
// updated; or frozen running statistics, which small batches need.
const (
	NormBatch Norm = iota
	NormFrozen
)

// Config says how to train. The zero value of a field is its default.
type Config struct {
	Batch     int // rows of a step; default 32
	Loss      Loss
	Smoothing float32 // label smoothing of CrossEntropy, 0 to 1
	// ClassWeights weigh the classes of CrossEntropy, one each; nil: all 1.
	ClassWeights []float32
	Optimizer    Optimizer // default SGD{Momentum: 0.9}
	Schedule     Schedule  // default Constant(0.01)
	// ClipNorm scales gradients down to this norm over all parameters; 0: off. With
	// it, gradients that are no number give ErrDiverged before any is updated.
	ClipNorm float32
	// Accumulate adds the gradients of this many steps before each update;
	// default 1.
	Accumulate int
	// Grow makes the minibatch grow: it says how many steps an update accumulates,
	// instead of Accumulate, and must depend on its argument alone. Memory does
	// not grow with it.
	Grow func(update int) int
	Norm Norm
	// Trainable says which parameters learn; nil: all of Conv, ConvTranspose,
	// Dense, PRelu and the norms.
	Trainable func(n *graph.Node, param int) bool
	// Rates scales the schedule's rate, and with it weight decay, for each parameter
	// that learns; nil: 1. What it gives 0 does not learn, whatever Trainable says.
	Rates func(n *graph.Node, param int) float32
	// Decays says which of what learns the optimiser's weight decay is for; nil: Weights.
	Decays func(n *graph.Node, param int) bool
	// Channels says which output channels of a layer's weights learn, in
	// ascending order; nil: all. It is asked about the weights of convolutions
	// without groups and of dense layers that Trainable lets learn.
	Channels func(n *graph.Node, param int) []int
	// Gradients keeps the gradients of a step for Gradient. Without it, and where
	// neither ClipNorm nor accumulation needs all at once, each lasts until its
	// parameter is updated, on the way back.
	Gradients bool
	// InputGradients has each step find the gradient of the loss by the network's
	// inputs, too: InputGradient. Nothing else need learn then.
	InputGradients bool
	// Lean packs each layer's weights anew before it runs, into the arena,
	// and takes no path that transforms them: less memory for a little time.
	Lean bool
	// Exact takes no path that rounds more than plain float32 sums do: no
	// Winograd.
	Exact   bool
	Threads int // 0: GOMAXPROCS
	Seed    uint64
	// Reference runs the plain definition of every operator and gradient.
	Reference bool
}

func (c *Config) defaults() error {
	if c.Batch == 0 {
		c.Batch = 32
	}
	if c.Accumulate == 0 {
		c.Accumulate = 1
	}
	if c.Optimizer == nil {
		c.Optimizer = SGD{Momentum: 0.9}
	}
	if c.Schedule == nil {
		c.Schedule = Constant(0.01)
	}
	switch {
	case c.Batch < 1:
		return fmt.Errorf("train: batch %d", c.Batch)
	case c.Accumulate < 1:
		return fmt.Errorf("train: accumulate %d", c.Accumulate)
	case !(c.Smoothing >= 0 && c.Smoothing < 1):
		return fmt.Errorf("train: label smoothing %v, want 0 to 1", c.Smoothing)
	case !(c.ClipNorm >= 0):
		return fmt.Errorf("train: clip norm %v", c.ClipNorm)
	case c.Loss > Custom:
		return fmt.Errorf("train: loss %d", c.Loss)
	case c.Norm > NormFrozen:
		return fmt.Errorf("train: norm %d", c.Norm)
	}
	for i, w := range c.ClassWeights {
		if !(w >= 0) {
			return fmt.Errorf("train: weight %v of class %d", w, i)
		}
	}
	return c.Optimizer.check()
}

// exact is Exact, which a lean plan implies.
func (c *Config) exact() bool { return c.Exact || c.Lean }

// accumulation is the number of steps whose gradients make update u.
func (c *Config) accumulation(u int) int {
	if c.Grow != nil {
		return max(1, c.Grow(u))
	}
	return c.Accumulate
}

// paramName is what parameter j of a node is called outside.
func paramName(n *graph.Node, j int) string { return fmt.Sprintf("%s.%d", n.Name, j) }

// ErrDiverged says that the loss, the norm that ClipNorm bounds, or a gradient is NaN or
// infinite. The parameters are those before the update of that step, but where a
// gradient was found to be so while parameters were updated (without ClipNorm):
// then some are those after it. All are numbers, and the running statistics of batch norm are as
// they were before the step. It is also the error of Save where an update made
// parameters no numbers.
var ErrDiverged = errors.New("train: diverged")

// ErrLabel says that a step was given a label that is no class. The parameters
// are as they were.
var ErrLabel = errors.New("train: label is no class")

// Schedule is the learning rate at each update, counted from 0.
type Schedule func(update int) float32

// Constant is one rate for ever.
func Constant(rate float32) Schedule { return func(int) float32 { return rate } }

// Step multiplies the rate by factor every so many updates.
func Step(rate, factor float32, every int) Schedule {
	return func(u int) float32 {
		return rate * float32(math.Pow(float64(factor), float64(u/max(1, every))))
	}
}

// Cosine falls from rate to 0 along half a cosine over the given number of
// updates (Loshchilov and Hutter 2017, without restarts).
func Cosine(rate float32, updates int) Schedule {
	return func(u int) float32 {
		x := min(1, float64(u)/float64(max(1, updates)))
		return rate * float32(0.5*(1+math.Cos(math.Pi*x)))
	}
}

// Warmup climbs linearly from 0 over the first updates, then follows s.
func Warmup(updates int, s Schedule) Schedule {
	return func(u int) float32 {
		r := s(u)
		if u < updates {
			r *= float32(u+1) / float32(updates)
		}
		return r
	}
}

// rate is what the schedule's rate is multiplied by for parameter j of a node.
func (c *Config) rate(n *graph.Node, j int) float32 {
	if c.Rates == nil {
		return 1
	}
	return c.Rates(n, j)
}

// checkRates refuses scales of rates that are no scales.
func (c *Config) checkRates(g *graph.Graph) error {
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		for j := range n.Params {
			if r := c.rate(n, j); !(r >= 0) || isBad(r) {
				return fmt.Errorf("train: a rate scaled by %v for %s", r, paramName(n, j))
			}
		}
	}
	return nil
}

// trainable is the default choice: what the operators call weights, not
// statistics.
func trainable(n *graph.Node, param int) bool {
	switch n.Op.Kind() {
	case ops.KindConv, ops.KindConvTranspose, ops.KindDense, ops.KindPRelu, ops.KindGroupNorm, ops.KindLayerNorm:
		return true
	case ops.KindBatchNorm:
		return param < 2 // then come the running mean and variance
	}
	return false
}

// decays reports whether weight decay applies: where nobody says, to weights, not
// to biases and norms.
func (c *Config) decays(n *graph.Node, param int) bool {
	if c.Decays != nil {
		return c.Decays(n, param)
	}
	return Weights(n, param)
}

// Weights is the default of Config.Decays: the weights of convolutions and dense layers,
// not biases and norms.
func Weights(n *graph.Node, param int) bool {
	switch n.Op.Kind() {
	case ops.KindConv, ops.KindConvTranspose, ops.KindDense:
		return param == 0
	}
	return false
}
