// Package weightstest makes files of weights for tests.
package weightstest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// State is a graph's weights as PyTorch's state dict has them: convolutions' with their
// channels first, under the names that rename gives to layers.
func State(t testing.TB, g *graph.Graph, rename func(layer string) string) (names []string, at map[string]tensor.Tensor) {
	t.Helper()
	at = map[string]tensor.Tensor{}
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		for j, p := range n.Params {
			if p.Shape.Rank() == 4 {
				var err error
				p, err = ops.Run(&ops.Transpose{Perm: []int{0, 3, 1, 2}}, []tensor.Tensor{p}, nil)
				require.NoError(t, err)
			}
			name := rename(n.Name) + "." + []string{"weight", "bias", "running_mean", "running_var"}[j]
			names = append(names, name)
			at[name] = p
		}
	}
	return names, at
}

// File is Safetensors of a map.
func File(names []string, at map[string]tensor.Tensor) []byte {
	return Safetensors(names, func(name string) tensor.Tensor { return at[name] })
}

// Safetensors is a file of float32 tensors under names, in their order.
func Safetensors(names []string, at func(name string) tensor.Tensor) []byte {
	header, data := []byte{'{'}, []byte(nil)
	for i, name := range names {
		t := at(name)
		from := len(data)
		data = append(data, t.Data...)
		key, _ := json.Marshal(name)
		dims, _ := json.Marshal(t.Shape.Dims())
		if i > 0 {
			header = append(header, ',')
		}
		header = fmt.Appendf(header, `%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, key, dims, from, len(data))
	}
	header = append(header, '}')
	for len(header)%8 != 0 { // so that the data is aligned
		header = append(header, ' ')
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}
