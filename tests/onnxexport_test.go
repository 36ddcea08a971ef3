package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/onnx"
)

// exportAndBack writes a graph as ONNX and reads it again.
func exportAndBack(g *graph.Graph) (*graph.Graph, error) {
	var b bytes.Buffer
	if err := onnx.Export(&b, g); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	h, err := onnx.ImportBytes(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("import again: %w", err)
	}
	return h, nil
}

// notExported are cases whose operators ONNX cannot say in the operator set
// that Export writes.
var notExported = map[string]string{
	"wrap_pad":                        "padding mode",
	"averagepool_3d_dilations_small":  "dilation",
	"averagepool_3d_dilations_large_": "dilation",
}

// TestONNXExport takes every case of the backend suite, and every real model,
// to ONNX and back: the outputs must stay.
func TestONNXExport(t *testing.T) {
	for _, dir := range backendCases(t, shared.Path(t, "conformance", "onnx")) {
		g, in := backendGraph(t, dir)
		if g == nil {
			continue
		}
		name := filepath.Base(dir)
		want, err := evalGraph(g, in...)
		require.NoError(t, err, name)
		h, err := exportAndBack(g)
		var ue *onnx.UnsupportedError
		if errors.As(err, &ue) && strings.HasPrefix(err.Error(), "export") {
			known := false
			for k, why := range notExported {
				known = known || strings.Contains(name, k) && strings.Contains(err.Error(), why)
			}
			require.True(t, known, "%s: %v", name, err)
			continue
		}
		if !assertNoError(t, name, err) {
			continue
		}
		got, err := evalGraph(h, in...)
		if assertNoError(t, name, err) {
			assertNoError(t, name, backendCompare(got, want))
		}
	}
	for _, path := range []string{"real-onnx/resnet20/resnet20.onnx", "real-onnx/resnet20/resnet20_bn.onnx", "mnist-onnx/model.onnx", "real-onnx/squeezenet1.1/squeezenet1.1.onnx"} {
		g, err := onnx.ImportFile(shared.Path(t, "models", filepath.FromSlash(path)))
		require.NoError(t, err)
		h, err := exportAndBack(g)
		require.NoError(t, err, path)
		require.Equal(t, g.Len(), h.Len(), "%s: nodes", path)
		x := tensor.New(g.Node(g.Inputs()[0]).Out)
		for i := range x.F32() {
			x.F32()[i] = float32(i%251)/251 - 0.3
		}
		want, got := runSession(t, g, x), runSession(t, h, x)
		require.NoError(t, backendCompare(got, want), path)
	}
}

// TestONNXExportInt8 takes integer networks to ONNX, where they are float
// operators between QuantizeLinear and DequantizeLinear, and back to integers:
// the same numbers, and no float left but where there was.
func TestONNXExportInt8(t *testing.T) {
	for _, name := range []string{"mlperf-tiny/ic01/pretrainedResnet_quant.tflite", "mlperf-tiny/kws01/kws_ref_model.tflite", "coral/mobilenet_v1_0.25_128_quant.tflite"} {
		g := importTFLite(t, shared.Path(t, "models", filepath.FromSlash(name)))
		h, err := exportAndBack(g)
		require.NoError(t, err, name)
		x := tensor.New(g.Node(g.Inputs()[0]).Out)
		for i := range x.Data {
			x.Data[i] = byte(i * 37 % 251)
		}
		want, got := runSession(t, g, x), runSession(t, h, x)
		require.Equal(t, want[0].Data, got[0].Data, name)
		for _, k := range []ops.Kind{ops.KindConv, ops.KindDense} {
			require.Equal(t, countFloat(g, k), countFloat(h, k), "%s: float %v", name, k)
		}
	}
}

func countFloat(g *graph.Graph, k ops.Kind) (n int) {
	for i := range g.Len() {
		if nd := g.Node(graph.ID(i)); nd.Op.Kind() == k && nd.Out.DType == tensor.F32 {
			n++
		}
	}
	return n
}

func assertNoError(t *testing.T, name string, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return err == nil
}

// backendGraph is a case's graph and inputs, nil where it is not supported.
func backendGraph(t *testing.T, dir string) (*graph.Graph, []tensor.Tensor) {
	t.Helper()
	model, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	require.NoError(t, err)
	in, err := backendTensors(filepath.Join(dir, "test_data_set_0"), "input")
	if err != nil {
		return nil, nil
	}
	opts, err := backendOptions(model, dir, in)
	require.NoError(t, err)
	g, err := onnx.ImportBytes(model, opts...)
	if err != nil {
		return nil, nil
	}
	return g, in
}
