package arch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/npy"
	"github.com/teff-ml/teff/tools/weights"
	"github.com/teff-ml/teff/tools/weights/weightstest"
)

func setOf(t *testing.T, names []string, at map[string]tensor.Tensor) *weights.Set {
	s, err := weights.Parse(weightstest.File(t, names, at))
	require.NoError(t, err)
	return s
}

func sameWeights(t *testing.T, a, b *graph.Graph, but string) {
	layers := func(g *graph.Graph) (l []*graph.Node) {
		for i := range g.Len() {
			if n := g.Node(graph.ID(i)); len(n.Params) > 0 {
				l = append(l, n)
			}
		}
		return l
	}
	theirs := layers(b)
	for i, n := range layers(a) {
		m := theirs[i]
		for j := range n.Params {
			require.Equal(t, n.Name != but, n.Params[j].Shape == m.Params[j].Shape && string(n.Params[j].Data) == string(m.Params[j].Data), "%s", n.Name)
		}
	}
}

// TestLoad: weights of one seed, under the names of torchvision and timm, are those of the
// network that is loaded.
func TestLoad(t *testing.T) {
	for name, rename := range map[string]func(layer string) string{
		"glyphnet":    func(layer string) string { return layer },
		"squeezenet":  func(layer string) string { return layer },
		"mobilenetv2": torchvisionMobileNet,
		"mobilenetv2 of timm": func(layer string) string {
			all := mobileNetV2Names(layer)
			if all[0] == "classifier.1" {
				return layer
			}
			return all[len(all)-1]
		},
	} {
		t.Run(name, func(t *testing.T) {
			arch := strings.Fields(name)[0]
			from, err := New(arch, Options{Seed: 1})
			require.NoError(t, err)
			names, at := weightstest.State(t, from, rename)
			g, fresh, err := Load(arch, Options{Seed: 2}, setOf(t, names, at))
			require.NoError(t, err)
			require.Empty(t, fresh)
			sameWeights(t, from, g, "")

			g, fresh, err = Load(arch, Options{Seed: 2, Classes: 7}, setOf(t, names, at))
			require.NoError(t, err)
			require.Len(t, fresh, 1)
			sameWeights(t, from, g, fresh[0])
		})
	}
}

// torchvisionMobileNet spells out torchvision's names of MobileNetV2's layers.
func torchvisionMobileNet(layer string) string {
	switch p := strings.Split(layer, "."); {
	case layer == "classifier":
		return "classifier.1"
	case len(p) != 4:
		return layer
	case p[1] == "1":
		return "features.1.conv." + map[string]string{"dw.0": "0.0", "dw.1": "0.1", "project.0": "1", "project.1": "2"}[p[2]+"."+p[3]]
	default:
		return "features." + p[1] + ".conv." + map[string]string{"expand.0": "0.0", "expand.1": "0.1", "dw.0": "1.0", "dw.1": "1.1", "project.0": "2", "project.1": "3"}[p[2]+"."+p[3]]
	}
}

// TestTimmNames: what timm calls some of MobileNetV2's layers.
func TestTimmNames(t *testing.T) {
	for layer, want := range map[string]string{
		"features.0.0": "conv_stem", "features.1.dw.0": "blocks.0.0.conv_dw", "features.1.dw.1": "blocks.0.0.bn1",
		"features.1.project.0": "blocks.0.0.conv_pw", "features.1.project.1": "blocks.0.0.bn2",
		"features.2.expand.0": "blocks.1.0.conv_pw", "features.3.dw.1": "blocks.1.1.bn2", "features.4.project.0": "blocks.2.0.conv_pwl",
		"features.17.project.1": "blocks.6.0.bn3", "features.18.1": "bn2",
	} {
		require.Contains(t, mobileNetV2Names(layer), want, layer)
	}
}

// TestVGGNames: torchvision numbers activations and pools, too.
func TestVGGNames(t *testing.T) {
	g, err := New("vgg11", Options{Size: 32})
	require.NoError(t, err)
	names, _ := weightstest.State(t, g, func(layer string) string { return layer })
	for i, want := range []int{0, 3, 6, 8, 11, 13, 16, 18} {
		require.Equal(t, fmt.Sprintf("features.%d.weight", want), names[2*i])
	}
}

// TestLoadRefused: files of other networks.
func TestLoadRefused(t *testing.T) {
	g, err := New("glyphnet", Options{})
	require.NoError(t, err)
	var names []string
	var at map[string]tensor.Tensor
	for what, change := range map[string]func(){
		"the file has no conv1.weight":             func() { names = names[1:] },
		"no place for extra.weight":                func() { names = append(names, "extra.weight"); at["extra.weight"] = at["fc.bias"] },
		"fc.bias is [8] in the file, the network":  func() { at["fc.bias"] = tensor.New(tensor.F32Spec(8)) },
		"the file has no bn1.running_var":          func() { names = slices.DeleteFunc(names, func(n string) bool { return n == "bn1.running_var" }) },
		"conv1.weight is [8 1 5 5] in the file, t": func() { at["conv1.weight"] = tensor.New(tensor.F32Spec(8, 1, 5, 5)) },
	} {
		names, at = weightstest.State(t, g, func(layer string) string { return layer })
		change()
		_, _, err := Load("glyphnet", Options{}, setOf(t, names, at))
		require.ErrorContains(t, err, what)
	}
}

// TestLoadVGG: the first dense layer reads a plane, channel by channel in PyTorch, and State gives it back so.
func TestLoadVGG(t *testing.T) {
	n := &net{b: graph.NewBuilder("plane")}
	n.input(2, 3, 4)
	w := tensor.New(tensor.F32Spec(1, 24))
	for i := range w.F32() {
		w.F32()[i] = float32(i)
	}
	n.load = &loading{set: setOf(t, []string{"fc.weight", "fc.bias"}, map[string]tensor.Tensor{"fc.weight": w, "fc.bias": tensor.New(tensor.F32Spec(1))}), used: map[string]bool{}}
	n.flatten()
	n.dense("fc", 1, 1)
	require.NoError(t, n.err)
	n.output("y")
	g, err := n.b.Build()
	require.NoError(t, err)
	got := g.Node(graph.ID(g.Len() - 1)).Params[0].F32()
	for y := range 2 {
		for x := range 3 {
			for c := range 4 {
				require.Equal(t, float32(c*6+y*3+x), got[(y*3+x)*4+c])
			}
		}
	}
	all, err := State(g)
	require.NoError(t, err)
	require.Equal(t, "fc.weight", all[0].Name)
	require.Equal(t, w.F32(), all[0].F32())
}

// TestLoadSqueezeNet: published weights give the published logits.
func TestLoadSqueezeNet(t *testing.T) {
	dir := shared.Path(t, "models", "squeezenet1.1-nchw")
	g, err := New("squeezenet", Options{})
	require.NoError(t, err)
	var names []string
	at, conv := map[string]tensor.Tensor{}, 0
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		for j := range n.Params {
			part := []string{"weight", "bias"}[j]
			x, err := npy.ReadFile(fmt.Sprintf("%s/weights/squeezenet0_conv%d_%s.npy", dir, conv, part))
			require.NoError(t, err)
			names = append(names, n.Name+"."+part)
			at[names[len(names)-1]] = x
		}
		if len(n.Params) > 0 {
			conv++
		}
	}
	g, fresh, err := Load("squeezenet", Options{}, setOf(t, names, at))
	require.NoError(t, err)
	require.Empty(t, fresh)
	x, err := npy.ReadFile(dir + "/test_data_set/0/input_0.npy")
	require.NoError(t, err)
	want, err := npy.ReadFile(dir + "/test_data_set/0/output_0.npy")
	require.NoError(t, err)
	x, err = ops.Run(&ops.Transpose{Perm: []int{0, 2, 3, 1}}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, want.F32(), run(t, g, x), 1e-3)
}

// run is g's first output for one image.
func run(t *testing.T, g *graph.Graph, x tensor.Tensor) []float32 {
	m, err := runtime.New(g)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession()
	require.NoError(t, err)
	defer s.Close()
	copy(s.Input(0).Float32(), x.F32())
	require.NoError(t, s.Run(context.Background()))
	return slices.Clone(s.Output(0).Float32())
}
