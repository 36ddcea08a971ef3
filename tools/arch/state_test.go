package arch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/weights"
	"github.com/teff-ml/teff/tools/weights/weightstest"
)

// TestState: what a network gives is what it is loaded from, bit for bit, by PyTorch's names.
func TestState(t *testing.T) {
	ours := func(layer string) string { return layer }
	for name, rename := range map[string]func(string) string{"resnet8": ours, "mobilenetv2": torchvisionMobileNet, "squeezenet": ours} {
		t.Run(name, func(t *testing.T) {
			o := Options{Seed: 1, Classes: 3}
			g, err := New(name, o)
			require.NoError(t, err)
			all, err := State(g)
			require.NoError(t, err)
			var names []string
			for _, w := range all {
				names = append(names, w.Name)
			}
			want, _ := weightstest.State(t, g, rename)
			require.Equal(t, want, names)
			b, err := weights.Safetensors(all)
			require.NoError(t, err)
			set, err := weights.Parse(b)
			require.NoError(t, err)
			o.Seed = 2
			back, fresh, err := Load(name, o, set)
			require.NoError(t, err)
			require.Empty(t, fresh)
			sameWeights(t, g, back, "")
		})
	}
}

// TestStateRefused: parameters that no module of PyTorch has, integers, and names that are
// there twice.
func TestStateRefused(t *testing.T) {
	b := graph.NewBuilder("refused")
	b.Output("y", b.Add("plus", &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{tensor.FromF32([]float32{1, 2}, 2)}, b.Input("x", tensor.F32Spec(1, 2), true)))
	g, err := b.Build()
	require.NoError(t, err)
	_, err = State(g)
	require.ErrorContains(t, err, "no place for the parameters of plus (Binary)")
	one := weights.Named{Name: "a", Tensor: tensor.FromF32([]float32{1})}
	_, err = weights.Safetensors([]weights.Named{one, one})
	require.ErrorContains(t, err, `two tensors are called "a"`)
	_, err = weights.Safetensors([]weights.Named{{Name: "i", Tensor: tensor.New(tensor.Spec{DType: tensor.I32, Shape: tensor.Of(1)})}})
	require.ErrorContains(t, err, "not float32")
}
