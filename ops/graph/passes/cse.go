package passes

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// CSE computes equal nodes once: the same operator and attributes on the same
// inputs, with parameters of the same value. Operators are functions of these,
// but for dropout.
func CSE(g *graph.Graph) (*graph.Graph, error) { return apply(g, cse) }

func cse(g *graph.Graph) (*graph.Graph, error) {
	return mergeEqual(g, func(tensor.Tensor) bool { return false })
}

// cseShared is CSE for graphs that may yet be trained: weights of equal value
// that are two in the source stay two, as training would tell them apart.
func cseShared(g *graph.Graph) (*graph.Graph, error) {
	return mergeEqual(g, func(p tensor.Tensor) bool { return len(p.Data) > 0 && p.DType.IsFloat() })
}

// mergeEqual merges nodes that differ at most in the values of parameters, if these are the same;
// weights of equal value are not for which distinct says so. Each node is looked up, not compared
// with others: a network may have as many readers of one value as its author likes.
func mergeEqual(g *graph.Graph, distinct func(tensor.Tensor) bool) (*graph.Graph, error) {
	alike, equal := map[string]graph.ID{}, map[string]graph.ID{}
	v := values{distinct, map[valueKey][]known{}, 0}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		switch op := n.Op.(type) {
		case *ops.Input, *ops.Dropout:
			return b.Keep(n, in)
		case *ops.BatchNorm:
			if op.Training {
				return b.Keep(n, in)
			}
		}
		key := graph.AppendOp(nil, n.Op)
		for _, x := range in {
			key = binary.AppendVarint(key, int64(x))
		}
		for _, p := range n.Params {
			key = binary.AppendVarint(append(key, byte(p.DType)), int64(len(p.Data)))
		}
		first, ok := alike[string(key)]
		if !ok { // as nearly always: values need not be looked at, which may lie in a map not read yet
			id := b.Keep(n, in)
			alike[string(key)] = id
			return id
		}
		if first >= 0 {
			equal[string(v.numbers(key, b.Node(first).Params))] = first
			alike[string(key)] = -1
		}
		key = v.numbers(key, n.Params)
		id, ok := equal[string(key)]
		if !ok {
			id = b.Keep(n, in)
			equal[string(key)] = id
		}
		return id
	})
}

// values numbers values of parameters, equal ones alike.
type values struct {
	distinct func(tensor.Tensor) bool
	seen     map[valueKey][]known
	n        int
}

// valueKey is where a value lies, or, where another place makes no difference, a checksum.
type valueKey struct {
	at  *byte
	sum uint32
}

type known struct {
	tensor.Tensor
	number int
}

// numbers appends the numbers of some parameters to key.
func (v *values) numbers(key []byte, params []tensor.Tensor) []byte {
	for _, p := range params {
		key = binary.AppendVarint(key, int64(v.number(p)))
	}
	return key
}

func (v *values) number(p tensor.Tensor) int {
	var k valueKey
	sums := [][]byte{tensor.BytesOf(p.Scale), tensor.BytesOf(p.Quant.Scale), p.Data}
	if v.distinct(p) {
		k.at, sums = &p.Data[0], sums[:2]
	}
	for _, b := range sums {
		k.sum = crc32.Update(k.sum, crc32.MakeTable(crc32.Castagnoli), b)
	}
	for _, q := range v.seen[k] {
		if p.Spec.Equal(q.Spec) && slices.Equal(p.Scale, q.Scale) && (k.at != nil || bytes.Equal(p.Data, q.Data)) {
			return q.number
		}
	}
	v.n++
	v.seen[k] = append(v.seen[k], known{p, v.n})
	return v.n
}
