package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestVerifyGolden: recorded outputs that are, are nearly, and are not what the
// model gives, a result that is no number among them.
func TestVerifyGolden(t *testing.T) {
	b := graph.NewBuilder("log")
	b.Output("y", b.Add("log", &ops.Unary{Fn: ops.UnaryLog}, nil, b.Input("x", tensor.F32Spec(1, 2), true)))
	g, err := b.Build()
	require.NoError(t, err)
	file := func(tolerance float32, in, out []float32) string {
		path := filepath.Join(t.TempDir(), "log.teff")
		require.NoError(t, format.WriteFile(path, g, &format.WriteOptions{Golden: &format.Golden{
			Inputs: []tensor.Tensor{tensor.FromF32(in, 1, 2)}, Outputs: []tensor.Tensor{tensor.FromF32(out, 1, 2)}, Tolerance: tolerance,
		}}))
		return path
	}
	good := file(0, []float32{1, 1}, []float32{0, 0})
	require.Equal(t, "equal", object(t, "ok golden", "verify", good)["golden"])
	for weights, golden := range map[string]string{"f32": "equal", "exact": "equal", "int8": "none", "f16": "none", "auto": "none"} {
		out := filepath.Join(t.TempDir(), "converted.teff")
		ok(t, "convert", good, "-o", out, "--weights", weights)
		require.Equal(t, golden, object(t, "ok golden", "verify", out)["golden"], weights)
	}
	object(t, "ok golden", "verify", file(1e-2, []float32{1, 2}, []float32{0, math.Ln2 * 1.005}))
	fails(t, "differs", "verify", file(1e-3, []float32{1, 2}, []float32{0, math.Ln2 * 1.005}))
	bad := file(1e-2, []float32{1, -1}, []float32{0, 1})
	fails(t, "differs", "verify", bad)

	// What is wrong is in the JSON object, too, beside the exit status.
	for _, path := range []string{bad, filepath.Join(t.TempDir(), "none.teff")} {
		code, out, msg := call("verify", path, "--json")
		require.Equal(t, 1, code)
		require.Equal(t, 1, strings.Count(msg, "\n"), msg)
		var r verifyResult
		require.NoError(t, json.Unmarshal([]byte(out), &r), out)
		require.False(t, r.OK)
		require.NotNil(t, r.Sections)
		require.Equal(t, "teff verify: "+r.Error+"\n", msg)
	}
	fails(t, "no checksums", "verify", "../../tests/golden/glyphs.onnx")

	// What is no model is named as elsewhere.
	dir := t.TempDir()
	fails(t, "this is a folder, a model is a file", "verify", dir)
	other := filepath.Join(dir, "other.teff")
	for content, want := range map[string]string{"": "the file is empty", "T": "no checksums", "<!DOCTYPE html>": "web page", "GGUF\x03": "GGUF"} {
		require.NoError(t, os.WriteFile(other, []byte(content), 0o644))
		fails(t, "teff verify: "+other+": ", "verify", other)
		fails(t, want, "verify", other)
	}
}
