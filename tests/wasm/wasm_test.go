//go:build !js && !wasip1

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/arch"
)

// TestWasm: in WebAssembly a network gives what it gives here, up to the rounding of
// other kernels.
func TestWasm(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	wasmExec := filepath.Join(strings.TrimSpace(string(root)), "lib/wasm/wasm_exec.js")
	g, err := arch.New("resnet8", arch.Options{})
	require.NoError(t, err)
	dir := t.TempDir()
	model, input := filepath.Join(dir, "resnet8.teff"), filepath.Join(dir, "input")
	require.NoError(t, format.WriteFile(model, g, nil))
	x := make([]float32, 32*32*3)
	for i := range x {
		x[i] = float32(i*7919%256) / 255
	}
	require.NoError(t, os.WriteFile(input, tensor.BytesOf(x), 0o644))

	var here bytes.Buffer
	require.NoError(t, command([]string{model}, bytes.NewReader(tensor.BytesOf(x)), &here))
	want := tensor.CastSlice[float32](here.Bytes())
	require.Len(t, want, 10)
	for _, target := range []string{"js", "wasip1"} {
		t.Run(target, func(t *testing.T) {
			program := filepath.Join(dir, target+".wasm")
			build := exec.Command("go", "build", "-o", program, ".")
			build.Env = append(os.Environ(), "GOOS="+target, "GOARCH=wasm", "CGO_ENABLED=0")
			out, err := build.CombinedOutput()
			require.NoError(t, err, string(out))
			run := exec.Command(node, "--no-warnings", "run.js", target, program, wasmExec, model, input)
			var msg bytes.Buffer
			run.Stderr = &msg
			got, err := run.Output()
			require.NoError(t, err, msg.String())
			require.Len(t, got, 4*len(want))
			require.InDeltaSlice(t, want, tensor.CastSlice[float32](got), 1e-5)
		})
	}
}

func TestCommand(t *testing.T) {
	require.ErrorContains(t, command(nil, nil, nil), "want one argument")
	require.ErrorContains(t, command([]string{"nothing.teff"}, nil, nil), "nothing.teff")
}
