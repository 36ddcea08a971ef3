package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/tests/randgraph"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/onnx"
	"github.com/teff-ml/teff/tools/tflite"
)

// maxReference is the number of multiply-adds that the reference kernels take
// in bearable time.
const maxReference = 60e6

// TestPassesOnModels: real networks compute the same before and after the
// passes, and come out in the form that runs fast.
func TestPassesOnModels(t *testing.T) {
	root := filepath.Join(shared.Dir(t), "models")
	found := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "layerwise") {
			return err
		}
		ext := filepath.Ext(path)
		if ext != ".onnx" && ext != ".tflite" {
			return nil
		}
		found++
		name, _ := filepath.Rel(root, path)
		t.Run(filepath.ToSlash(name), func(t *testing.T) { checkModel(t, path) })
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, found, 10)
}

func checkModel(t *testing.T, path string) {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var g *graph.Graph
	isONNX := filepath.Ext(path) == ".onnx"
	if isONNX {
		g, err = onnx.Import(f, onnx.WithoutPasses())
	} else {
		g, err = tflite.Import(f)
	}
	require.NoError(t, err)
	imported, err := passes.Import(g)
	require.NoError(t, err)
	inferring, err := passes.Infer(imported)
	require.NoError(t, err)
	training, err := passes.Train(imported)
	require.NoError(t, err)

	n := count(inferring)
	if isONNX {
		require.Zero(t, n[ops.KindBatchNorm], inferring)
		// What is left is the declared layout of an image that goes in.
		require.LessOrEqual(t, n[ops.KindTranspose], 1, inferring)
		for i := range inferring.Len() {
			if nd := inferring.Node(graph.ID(i)); nd.Op.Kind() == ops.KindTranspose {
				require.Equal(t, ops.KindInput, inferring.Node(nd.In[0]).Op.Kind(), "%v", inferring)
			}
		}
	}
	require.Zero(t, n[ops.KindIdentity]+n[ops.KindDropout]+n[ops.KindUnary]+n[ops.KindMatMul], "%v", inferring)

	macs := int64(0)
	for i := range g.Len() {
		macs += g.MACs(graph.ID(i))
	}
	if macs > maxReference || testing.Short() {
		return
	}
	in := randgraph.Inputs(g, 1)
	want, err := randgraph.Eval(g, in)
	require.NoError(t, err)
	for _, h := range []*graph.Graph{imported, inferring, training} {
		sameFace(t, g, h)
		got, err := randgraph.Eval(h, in)
		require.NoError(t, err)
		for j := range want {
			require.LessOrEqual(t, randgraph.Distance(want[j], got[j]), 1e-4, "output %d", j)
		}
	}
}
