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
	return mergeEqual(g, func(p, q tensor.Tensor) bool { return bytes.Equal(p.Data, q.Data) })
}

// cseShared is CSE for graphs that may yet be trained: weights of equal value
// that are two in the source stay two, as training would tell them apart.
func cseShared(g *graph.Graph) (*graph.Graph, error) {
	return mergeEqual(g, func(p, q tensor.Tensor) bool {
		return len(p.Data) == 0 || &p.Data[0] == &q.Data[0] || !p.DType.IsFloat() && bytes.Equal(p.Data, q.Data)
	})
}

// mergeEqual looks each node up by what it is but for the values of its parameters; where that was there
// before, by a checksum of these too, so that a value may have any number of readers. Nearly always no value
// need be looked at, which may lie in a map that nothing has read yet.
func mergeEqual(g *graph.Graph, same func(p, q tensor.Tensor) bool) (*graph.Graph, error) {
	alike, equal := map[string]graph.ID{}, map[string][]graph.ID{}
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
			key = binary.LittleEndian.AppendUint32(key, uint32(x))
		}
		first, ok := alike[string(key)]
		if !ok {
			alike[string(key)] = graph.ID(b.Len())
			return b.Keep(n, in)
		}
		if first >= 0 {
			k := string(appendSums(key, b.Node(first).Params))
			equal[k] = append(equal[k], first)
			alike[string(key)] = -1
		}
		k := string(appendSums(key, n.Params))
		for _, id := range equal[k] {
			if sameParams(b.Node(id).Params, n.Params, same) {
				return id
			}
		}
		equal[k] = append(equal[k], graph.ID(b.Len()))
		return b.Keep(n, in)
	})
}

// appendSums appends a checksum of parameters.
func appendSums(key []byte, params []tensor.Tensor) []byte {
	for _, p := range params {
		sum := crc32.Checksum(p.Data, crc32.MakeTable(crc32.Castagnoli))
		key = binary.LittleEndian.AppendUint32(append(key, byte(p.DType)), sum)
	}
	return key
}

func sameParams(a, b []tensor.Tensor, same func(p, q tensor.Tensor) bool) bool {
	return slices.EqualFunc(a, b, func(p, q tensor.Tensor) bool {
		return p.Spec.Equal(q.Spec) && len(p.Data) == len(q.Data) && slices.Equal(p.Scale(), q.Scale()) && p.Source() == q.Source() && same(p, q)
	})
}
