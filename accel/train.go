package accel

import (
	"context"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TrainBackend is a backend that trains classifiers, too. The graph is in training
// form, batch norm unfolded; the error names a node whose gradient has no kernel.
type TrainBackend interface {
	Backend
	NewTrainer(g *graph.Graph, o TrainOptions) (Trainer, error)
}

// Rule is how an update changes weights: the formulas are package train's.
type Rule uint8

// The rules.
const (
	RuleSGD Rule = iota
	RuleAdam
	RuleAdagrad
)

// TrainOptions say how a Trainer learns, by the cross-entropy of the network's scores
// (what is before a last softmax) with labels.
type TrainOptions struct {
	Batch        int
	Smoothing    float32
	ClassWeights []float32 // nil: all 1
	Rule         Rule
	Momentum     float32 // of SGD
	Nesterov     bool
	Beta1, Beta2 float32 // of Adam
	Eps          float32 // of Adam and Adagrad
	WeightDecay  float32
	Decoupled    bool // shrink weights instead of adding to gradients
	// Clip scales an update's gradients down to this norm; 0: off.
	Clip float32
	// Accumulate lets an update have the sum of the gradients of several steps.
	Accumulate bool
	// Frozen batch norm applies running statistics and leaves them.
	Frozen bool
	// Learns says which parameters change, nil: all of convolutions, dense layers and
	// batch norms. Decays says for which of them WeightDecay is, nil: the weights of
	// convolutions and dense layers.
	Learns, Decays func(id graph.ID, param int) bool
	// Rates are what a step's rate is multiplied by for a parameter that learns, nil: 1.
	Rates func(id graph.ID, param int) float32
}

// TrainStep is what changes from step to step.
type TrainStep struct {
	Rate  float32
	Scale float32 // of gradients: 1 over the steps accumulated
	// First says that accumulated gradients begin anew, Apply that there is an update.
	First, Apply bool
	Updates      int // done before
	// Seed is of a node's random numbers: Args.Seed of the operator.
	Seed func(id graph.ID) uint64
}

// Part is a parameter's share of what a trainer holds.
type Part uint8

// The parts: the parameter itself, accumulated gradients, the rule's numbers.
const (
	PartValue Part = iota
	PartGradient
	PartState0
	PartState1
)

// Trainer is one network in training on a device. It belongs to one goroutine.
type Trainer interface {
	// Input is the network's input, Target where a step reads classes (int32), Scores
	// what the loss read in the last step.
	Input() tensor.Tensor
	Target() tensor.Tensor
	Scores() tensor.Tensor
	// Run does one step and gives the loss before it, and, where gradients are
	// clipped, their norm. Where either is no number there is no update, and running
	// statistics are as they were.
	Run(ctx context.Context, s TrainStep) (loss, norm float32, err error)
	// Get and Put copy a part of a parameter's from the device and to it; a part that
	// a trainer does not hold reads as it is and is not written.
	Get(id graph.ID, param int, p Part, to []float32) error
	Put(id graph.ID, param int, p Part, from []float32) error
	// Bytes is what training holds on the device.
	Bytes() int
	Close() error
}
