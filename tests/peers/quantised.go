package main

import (
	"context"
	"math/rand/v2"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
)

// noise is calibration data: normal numbers, as the engines are timed on.
type noise int

func (n noise) Len() int { return int(n) }

func (noise) Fill(i int, in []tensor.Tensor) error {
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	for _, t := range in {
		for j := range t.F32() {
			t.F32()[j] = float32(rng.NormFloat64())
		}
	}
	return nil
}

// quantised is g in integers, with float32 inputs and outputs. Activations are
// uint8: with int8 ONNX Runtime leaves half of the layers in float32 here. How
// weights are rounded makes no difference to times.
func quantised(g *graph.Graph) (*graph.Graph, error) {
	q, err := ptq.Calibrate(context.Background(), g, noise(4), ptq.Options{Unsigned: true, Nearest: true})
	if err != nil {
		return nil, err
	}
	return q.Graph(nil)
}
