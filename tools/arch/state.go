package arch

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/weights"
)

// State is a network's parameters as PyTorch's state dict has them: under the layers'
// names (torchvision's, where New builds a network of its), convolutions with input channels before the
// kernel's extents, and the columns of a dense layer behind a plane channel by channel.
// Load reads it back. A layer of a kind whose parameters have no place in a state dict,
// or that has them in integers, is an error.
func State(g *graph.Graph) ([]weights.Named, error) {
	var all []weights.Named
	var other []string
	rename := torchvision(g)
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		if len(n.Params) == 0 {
			continue
		}
		parts := stateParts(n)
		if parts == nil {
			other = append(other, fmt.Sprintf("%s (%v)", n.Name, n.Op.Kind()))
			continue
		}
		for j, p := range n.Params {
			if p.DType != tensor.F32 {
				return nil, fmt.Errorf("arch: %s holds %v, a state dict float32", n.Name, p.DType)
			}
			all = append(all, weights.Named{Name: rename(n.Name) + "." + parts[j], Tensor: theirs(g, n, p)})
		}
	}
	if len(other) > 0 {
		return nil, fmt.Errorf("arch: a state dict has no place for the parameters of %s", few(other))
	}
	return all, nil
}

// torchvision says what layers are called there, where ours have other names: MobileNetV2's, which is known by its blocks.
func torchvision(g *graph.Graph) func(layer string) string {
	mobile := false
	for i := range g.Len() {
		mobile = mobile || len(mobileNetV2Names(g.Node(graph.ID(i)).Name)) == 2
	}
	return func(layer string) string {
		if names := mobileNetV2Names(layer); mobile && (len(names) == 2 || layer == "classifier") {
			return names[0]
		}
		return layer
	}
}

// stateParts are the names of a layer's parameters; nil where a state dict has none.
func stateParts(n *graph.Node) []string {
	names := []string{"weight", "bias"}
	switch n.Op.(type) {
	case *ops.Conv, *ops.Dense, *ops.LayerNorm, *ops.GroupNorm:
	case *ops.PRelu:
		names = names[:1]
	case *ops.BatchNorm:
		names = append(names, "running_mean", "running_var")
	default:
		return nil
	}
	if len(n.Params) > len(names) {
		return nil
	}
	return names[:len(n.Params)]
}

// theirs is a parameter in PyTorch's layout.
func theirs(g *graph.Graph, n *graph.Node, p tensor.Tensor) tensor.Tensor {
	p = p.Clone() // decoded, where few bits hold it
	rank := p.Shape.Rank()
	switch n.Op.(type) {
	case *ops.Conv:
		if rank > 2 {
			return channelsFirst(p)
		}
	case *ops.Dense:
		from := g.Node(n.In[0])
		if _, ok := from.Op.(*ops.Reshape); !ok || rank != 2 {
			return p
		}
		dims := g.Node(from.In[0]).Out.Shape.Dims()
		if len(dims) > 2 && p.Shape.Dim(1) == elems(dims[1:]) {
			q := p
			q.Shape = tensor.Of(append([]int{p.Shape.Dim(0)}, dims[1:]...)...)
			q = channelsFirst(q)
			q.Shape = p.Shape
			return q
		}
	}
	return p
}

func elems(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// channelsFirst moves the last dimension to place 1.
func channelsFirst(t tensor.Tensor) tensor.Tensor {
	rank := t.Shape.Rank()
	perm := []int{0, rank - 1}
	for i := 1; i < rank-1; i++ {
		perm = append(perm, i)
	}
	return transposed(t, perm)
}

func transposed(t tensor.Tensor, perm []int) tensor.Tensor {
	y, err := ops.Run(&ops.Transpose{Perm: perm}, []tensor.Tensor{t}, nil)
	if err != nil {
		panic("BUG: " + err.Error()) // of a tensor with its dimensions known
	}
	return y
}
