package onnx

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// trainingNorm is a batch norm as exporters wrote it in training before operator set
// 14: more outputs than one ask for the batch's statistics, of which 3 and 4, what the
// gradient would want, are not computed here.
func trainingNorm() *builder {
	b := newModel(13).input("x", -1, 3, 4, 4).output("y")
	in := []string{"x"}
	for _, name := range []string{"scale", "bias", "mean", "var"} {
		in = append(in, b.w.constant(name, tensor.FromF32([]float32{1, 2, 3}, 3)))
	}
	return b.node("BatchNormalization", in, []string{"n", "m1", "v1", "m2", "v2"}, nil)
}

func TestOutputsUnread(t *testing.T) {
	g, err := ImportBytes(trainingNorm().node("Relu", []string{"n"}, []string{"y"}, nil).bytes())
	require.NoError(t, err)
	norms := 0
	for i := range g.Len() {
		if op, ok := g.Node(graph.ID(i)).Op.(*ops.BatchNorm); ok {
			require.True(t, op.Training)
			norms++
		}
	}
	require.Equal(t, 1, norms)
}

func TestOutputsRead(t *testing.T) {
	for name, b := range map[string]*builder{
		"by a node": trainingNorm().node("Relu", []string{"m2"}, []string{"y"}, nil),
		"by two":    trainingNorm().node("Relu", []string{"m2"}, []string{"z"}, nil).node("Add", []string{"z", "m2"}, []string{"y"}, nil),
		"by a cast": trainingNorm().node("Cast", []string{"m2"}, []string{"y"}, func(a *attrs) { a.int("to", typeFloat) }),
		"as output": trainingNorm().node("Relu", []string{"n"}, []string{"y"}, nil).output("m2"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ImportBytes(b.bytes())
			var ue *UnsupportedError
			require.ErrorAs(t, err, &ue)
			require.Len(t, ue.Nodes, 1)
			require.ErrorContains(t, err, "output 3 is not supported")
		})
	}
}
