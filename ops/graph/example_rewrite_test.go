package graph_test

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// blobs is a network whose features are summed up over the image, so that the image
// may have any size.
func blobs() (*graph.Graph, error) {
	b := graph.NewBuilder("blobs")
	x := b.Input("image", tensor.F32Spec(1, 8, 8, 1), true)
	x = b.Add("conv", &ops.Conv{}, []tensor.Tensor{tensor.New(tensor.F32Spec(4, 3, 3, 1))}, x)
	x = b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, x)
	b.Output("mean", x)
	return b.Build()
}

// A value inside a network is read when it is an output, too: what comes before it in
// the graph is before the outputs that were there. runtime.New takes the new graph.
func ExampleRewrite_activations() {
	g, err := blobs()
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err = graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		id := b.Keep(n, in)
		if n.Name == "conv" {
			b.Output("features", id)
		}
		return id
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range g.Outputs() {
		fmt.Println(o.Name, g.Node(o.ID).Out)
	}
	// Output:
	// features f32[1x6x6x4]
	// mean f32[1x1x1x4]
}

// A network's image gets another size where all behind it goes along. One that does
// not, as a dense layer behind all pixels, is an error that names the node.
func ExampleRewrite_size() {
	g, err := blobs()
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err = graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if n.Op.Kind() == ops.KindInput {
			return b.Input(n.Name, tensor.F32Spec(1, 20, 32, 1), true)
		}
		return b.Keep(n, in)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range g.Len() {
		fmt.Println(g.Node(graph.ID(i)).Name, g.Node(graph.ID(i)).Out)
	}
	// Output:
	// image f32[1x20x32x1]
	// conv f32[1x18x30x4]
	// pool f32[1x1x1x4]
}
