package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// edges is a network of one convolution, which finds vertical edges, and the
// mean over the image.
func edges() (*graph.Graph, error) {
	b := graph.NewBuilder("edges")
	image := b.Input("image", tensor.F32Spec(1, 4, 4, 1), true)
	weight := tensor.FromF32([]float32{-1, 1}, 1, 1, 2, 1) // [oc, kh, kw, ic]
	conv := b.Add("conv", &ops.Conv{}, []tensor.Tensor{weight}, image)
	relu := b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, conv)
	mean := b.Add("mean", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, relu)
	b.Output("edge", mean)
	return b.Build()
}

// Open a file, make a session, run it.
func Example() {
	g, err := edges()
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "teff")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "edges.teff")
	if err := format.WriteFile(path, g, nil); err != nil {
		fmt.Println(err)
		return
	}

	m, err := runtime.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	pixels := s.Input(0).Float32() // [2, 4, 4, 1]
	for y := range 4 {
		pixels[4*y+2], pixels[4*y+3] = 3, 3 // the first image has an edge, the second is black
	}
	if err := s.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Output(0).Shape, s.Output(0).Float32())
	// Output: 2x1x1x1 [1 0]
}

// A service puts a new model in the place of one that is in use. A request that
// the old one refuses is repeated with the new one.
func ExampleModel_Close() {
	open := func() *runtime.Model {
		g, err := edges()
		if err != nil {
			panic(err)
		}
		m, err := runtime.New(g) // runtime.Open(path) in a service
		if err != nil {
			panic(err)
		}
		return m
	}
	var now atomic.Pointer[runtime.Model]
	now.Store(open())

	request := func(ctx context.Context) ([]float32, error) {
		for {
			s, err := now.Load().NewSession() // a service keeps some, with the model that they are of
			if err == nil {
				err = s.Run(ctx)
			}
			if errors.Is(err, runtime.ErrClosed) {
				continue // replaced in between
			}
			if err != nil {
				return nil, err
			}
			return s.Output(0).Float32(), nil
		}
	}

	old := now.Swap(open())
	if err := old.Close(); err != nil { // waits for runs that are under way
		panic(err)
	}
	fmt.Println(request(context.Background()))
	// Output: [0] <nil>
}
