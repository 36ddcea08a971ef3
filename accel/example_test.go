package accel_test

import (
	"errors"
	"fmt"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// products is a backend that has kernels for dense layers alone.
type products struct{}

func (products) Name() string { return "products" }

func (products) Supports(g *graph.Graph, id graph.ID) error {
	switch k := g.Node(id).Op.Kind(); k {
	case ops.KindInput, ops.KindConstant, ops.KindDense:
		return nil
	default:
		return fmt.Errorf("no kernel for %v", k) // the model names the node
	}
}

func (products) Compile(g *graph.Graph, o accel.Options) (accel.Program, error) {
	// Here kernels would be chosen, weights brought to the device, memory planned.
	return nil, fmt.Errorf("products: %w: no device answers", accel.ErrUnavailable)
}

// A program that can do without an accelerator asks whether there is one.
func Example() {
	var b accel.Backend = products{}
	_, err := b.Compile(nil, accel.Options{Threads: 1})
	if errors.Is(err, accel.ErrUnavailable) {
		fmt.Println("on the CPU:", err) // runtime.New without runtime.WithBackend(b)
	}
	// Output: on the CPU: products: accelerator not available: no device answers
}
