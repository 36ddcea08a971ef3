// Command wasm carries Teff into WebAssembly: it gives JavaScript a network (js.go,
// built with GOOS=js GOARCH=wasm; tested in Node), and under WASI, and anywhere else,
// it is a command that reads numbers and writes numbers (main.go, GOOS=wasip1
// GOARCH=wasm).
package main

import (
	"context"
	"fmt"

	"github.com/teff-ml/teff/runtime"
)

// network is a model that takes one input of float32 and gives one output.
type network struct{ s *runtime.Session }

// open reads a .teff file's bytes, which must not change afterwards.
func open(file []byte) (*network, error) {
	m, err := runtime.Parse(file)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession()
	if err != nil {
		return nil, err
	}
	return &network{s}, nil
}

// input is where the network's numbers go.
func (n *network) input() []float32 { return n.s.Input(0).Float32() }

// run computes the output, which the next run overwrites.
func (n *network) run() ([]float32, error) {
	if err := n.s.Run(context.Background()); err != nil {
		return nil, fmt.Errorf("running: %w", err)
	}
	return n.s.Output(0).Float32(), nil
}
