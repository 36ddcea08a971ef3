package graph_test

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// A network is built node by node, a pass makes another of it, and what is wrong is an
// error of Build that names the node.
func Example() {
	b := graph.NewBuilder("small")
	x := b.Input("image", tensor.F32Spec(1, 6, 6, 1), true)                                    // NHWC; batched: any number of images
	x = b.Add("conv", &ops.Conv{}, []tensor.Tensor{tensor.New(tensor.F32Spec(4, 3, 3, 1))}, x) // [oc, kh, kw, ic]
	x = b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, x)
	b.Output("features", x)
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	fused, err := passes.Infer(g)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Len(), "nodes,", fused.Len(), "to run,", fused.Outputs()[0].Name, fused.Node(fused.Outputs()[0].ID).Out)

	b = graph.NewBuilder("wrong")
	x = b.Input("image", tensor.F32Spec(1, 2, 2, 1), true)
	b.Output("y", b.Add("conv", &ops.Conv{}, []tensor.Tensor{tensor.New(tensor.F32Spec(4, 3, 3, 1))}, x))
	_, err = b.Build()
	fmt.Println(err)
	// Output:
	// 3 nodes, 2 to run, features f32[1x4x4x4]
	// graph: node 1 "conv" (Conv): ops: Conv: kernel [3 3] does not fit input 1x2x2x1 with its padding
}
