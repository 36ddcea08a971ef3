package tests

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/onnx"
)

// realModels imports every ONNX and TFLite network among the shared models, by
// its path in there.
func realModels(t *testing.T) map[string]*graph.Graph {
	t.Helper()
	root := shared.Path(t, "models")
	models := map[string]*graph.Graph{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch filepath.Ext(path) {
		case ".tflite":
			models[rel] = importTFLite(t, path)
		case ".onnx":
			g, err := onnx.ImportFile(path)
			if err != nil {
				return fmt.Errorf("%s: %w", rel, err)
			}
			models[rel] = g
		}
		return nil
	}))
	require.GreaterOrEqual(t, len(models), 20, "%s holds hardly any model", root)
	return models
}

// largeArchs take seconds rather than milliseconds.
var largeArchs = []string{"resnet18", "resnet50", "vgg11", "mobilenetv2"}

func isLarge(name string) bool { return strings.Contains(strings.Join(largeArchs, " "), name) }

// TestRealModels holds every real network to what the README promises of any.
func TestRealModels(t *testing.T) {
	for name, g := range realModels(t) {
		t.Run(filepath.Base(name), func(t *testing.T) { keepsPromises(t, g) })
	}
}

// TestArchModels does the same for the networks that the project builds.
func TestArchModels(t *testing.T) {
	for _, name := range arch.Names() {
		t.Run(name, func(t *testing.T) {
			if isLarge(name) && testing.Short() {
				t.Skip("large")
			}
			g, err := arch.New(name, arch.Options{Seed: 7})
			require.NoError(t, err)
			keepsPromises(t, g)
		})
	}
}

// keepsPromises checks that g comes back from a file, raw and compressed, with
// nothing changed; that its outputs are the same bits on 1, 2, 3 and 16 threads
// and from the file; that a run allocates nothing; and that the arena is at most
// 1.25 times the values that are alive at once.
func keepsPromises(t *testing.T, g *graph.Graph) {
	raw, err := format.Marshal(g, nil)
	require.NoError(t, err)
	file, err := format.Parse(raw)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Check())
	sameGraph(t, g, file.Graph)
	if g.ParamBytes() < 20<<20 { // compressing 500 MB of noise tests nothing more
		packed, err := format.Marshal(g, &format.WriteOptions{Encode: func(*graph.Graph, graph.ID, int) format.Choice {
			return format.Choice{Encoding: format.Coded}
		}})
		require.NoError(t, err)
		f, err := format.Parse(packed)
		require.NoError(t, err)
		defer f.Close()
		sameGraph(t, g, f.Graph)
	}

	want := runNoise(t, g, 1, true)
	for i, y := range runNoise(t, file.Graph, 2, true) {
		require.True(t, string(want[i]) == string(y), "output %d differs between the graph on 1 thread and the file on 2", i)
	}
	for _, threads := range []int{3, 16} {
		for i, y := range runNoise(t, file.Graph, threads, false) {
			require.True(t, string(want[i]) == string(y), "output %d differs between the graph on 1 thread and the file on %d", i, threads)
		}
	}
}

// sameGraph compares structure and every parameter's bits.
func sameGraph(t *testing.T, want, got *graph.Graph) {
	t.Helper()
	require.Equal(t, want.String(), got.String())
	for i := range want.Len() {
		a, b := want.Node(graph.ID(i)), got.Node(graph.ID(i))
		require.Len(t, b.Params, len(a.Params), a.Name)
		for j := range a.Params {
			require.True(t, a.Params[j].Spec.Equal(b.Params[j].Spec), "%s parameter %d", a.Name, j)
			require.True(t, string(a.Params[j].Data) == string(b.Params[j].Data), "%s parameter %d: bits differ", a.Name, j)
		}
	}
}

// runNoise is the outputs' bytes on seeded noise, after two runs that must give
// the same. With bounds it checks memory, too.
func runNoise(t *testing.T, g *graph.Graph, threads int, bounds bool, opts ...runtime.Option) (out [][]byte) {
	t.Helper()
	m, err := runtime.New(g, append(opts, runtime.WithThreads(threads))...)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession()
	require.NoError(t, err)
	defer s.Close()
	rng := rand.New(rand.NewPCG(3, 5))
	for i := range s.NumInputs() {
		switch x := s.Input(i); x.DType {
		case tensor.F32:
			for k, v := 0, x.F32(); k < len(v); k++ {
				v[k] = float32(rng.NormFloat64())
			}
		default:
			for k := range x.Data {
				x.Data[k] = byte(rng.Uint32())
			}
		}
	}
	if bounds {
		mem := s.Memory()
		assert.LessOrEqual(t, float64(mem.Arena), 1.25*float64(mem.LiveSet), "%d threads: %+v: %s", threads, mem, worstLayer(s))
	}
	require.NoError(t, s.Run(context.Background()))
	for i := range s.NumOutputs() {
		out = append(out, append([]byte(nil), s.Output(i).Data...))
	}
	if !bounds {
		return out
	}
	require.Zero(t, allocations(func() { _ = s.Run(context.Background()) }), "allocations of a run on %d threads", threads)
	for i := range s.NumOutputs() {
		require.True(t, string(out[i]) == string(s.Output(i).Data), "output %d of a later run differs", i)
	}
	return out
}

// worstLayer names the step that uses the most memory.
func worstLayer(s *runtime.Session) string {
	worst := accel.Layer{}
	for _, l := range s.Layers() {
		if l.Live > worst.Live {
			worst = l
		}
	}
	return fmt.Sprintf("most in %s (%v, %s): scratch %d, live %d", worst.Name, worst.Kind, worst.Path, worst.Scratch, worst.Live)
}
