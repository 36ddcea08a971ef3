package train

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
)

// Blocks cuts a network into blocks, from input to head: the layers between two
// values that everything passes through, so a residual block is one and the
// head, mostly, is one. Each lists its layers with weights by name.
func Blocks(g *graph.Graph) ([][]string, error) {
	g, err := passes.Train(g)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	out := g.Outputs()[0].ID
	used := make([]bool, g.Len()) // the output depends on it
	last := make([]graph.ID, g.Len())
	used[out] = true
	for i := out; i >= 0; i-- {
		if !used[i] {
			continue
		}
		for _, x := range g.Node(i).In {
			used[x] = true
			last[x] = max(last[x], i)
		}
	}
	var blocks [][]string
	var block []string
	main := false // the block has a layer that is no norm
	reach := graph.ID(0)
	for i := range out + 1 {
		n := g.Node(i)
		if !used[i] || n.Op.Kind() == ops.KindConstant {
			continue
		}
		if slices.ContainsFunc(indices(n), func(j int) bool { return trainable(n, j) }) {
			block = append(block, n.Name)
			main = main || !isNorm(n) && n.Op.Kind() != ops.KindPRelu
		}
		if reach <= i && i > 0 { // nothing before i is read after it
			switch {
			case main || len(blocks) == 0 && len(block) > 0:
				blocks = append(blocks, block)
			case len(block) > 0: // norms belong to what they follow
				blocks[len(blocks)-1] = append(blocks[len(blocks)-1], block...)
			}
			block, main = nil, false
		}
		reach = max(reach, last[i])
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("train: the network has no layer that learns")
	}
	return blocks, nil
}

// LastBlocks is a Config.Trainable for the last n blocks; 1 is the head alone.
func LastBlocks(g *graph.Graph, n int) (func(*graph.Node, int) bool, error) {
	blocks, err := Blocks(g)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(blocks) {
		return nil, fmt.Errorf("train: the last %d blocks of %d", n, len(blocks))
	}
	learns := map[string]bool{}
	for _, b := range blocks[len(blocks)-n:] {
		for _, name := range b {
			learns[name] = true
		}
	}
	return func(n *graph.Node, param int) bool { return learns[n.Name] && trainable(n, param) }, nil
}

// NormsAndBiases is a Config.Trainable for what takes little memory: scale and
// shift of norms, and biases. Layers named in whole learn all of theirs, as a
// new head must.
func NormsAndBiases(whole ...string) func(*graph.Node, int) bool {
	return func(n *graph.Node, param int) bool {
		return trainable(n, param) && (isNorm(n) || param == 1 || slices.Contains(whole, n.Name))
	}
}

func isNorm(n *graph.Node) bool {
	switch n.Op.Kind() {
	case ops.KindBatchNorm, ops.KindGroupNorm, ops.KindLayerNorm:
		return true
	}
	return false
}

// indices are the places of a node's parameters.
func indices(n *graph.Node) []int {
	v := make([]int, len(n.Params))
	for i := range v {
		v[i] = i
	}
	return v
}
