//go:build cuda && unix

package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel/cuda"
	"github.com/teff-ml/teff/accel/cuda/fake"
	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// emulated is the environment of a command that has a device: the machine's own, or
// the one that runs the kernels on the host. A process loads one driver, so each
// command has one of its own.
func emulated(t *testing.T) []string {
	t.Helper()
	if b, err := cuda.Open(); err == nil {
		t.Logf("on %s", b.Name())
		require.NoError(t, closeBackend(b))
		return nil
	}
	lib, err := fake.Library()
	if errors.Is(err, fake.ErrNoCompiler) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return []string{"TEFF_LIBCUDA=" + lib, "TEFF_FAKE_LEAKS=1"}
}

// on runs a command in a process, and gives its status and standard error.
func on(t *testing.T, env []string, args ...string) (code int, msg string) {
	t.Helper()
	c, out := process(t, env, args...)
	_ = c.Wait()
	return c.ProcessState.ExitCode(), out.String()
}

// apart is how far two files' weights are apart, of each tensor's largest.
func apart(t *testing.T, a, b string) (worst float64) {
	t.Helper()
	open := func(path string) *graph.Graph {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		f, err := format.Parse(data)
		require.NoError(t, err)
		return f.Graph
	}
	g, h := open(a), open(b)
	require.Equal(t, g.Len(), h.Len())
	for i := range g.Len() {
		for j, p := range g.Node(graph.ID(i)).Params {
			top, off := 1e-2, 0.0
			for k, v := range p.F32() {
				top, off = max(top, math.Abs(float64(v))), max(off, math.Abs(float64(v)-float64(h.Node(graph.ID(i)).Params[j].F32()[k])))
			}
			worst = max(worst, off/top)
		}
	}
	return worst
}

// TestTrainOnDevice: the command trains on a device as on the CPU.
func TestTrainOnDevice(t *testing.T) {
	env := emulated(t)
	t.Run("alike", func(t *testing.T) { trainAlike(t, env) })
	t.Run("refused", func(t *testing.T) { trainRefused(t, env) })
}

func trainAlike(t *testing.T, env []string) {
	dir, model, data := fixture(t, "60")
	path := func(n string) string { return filepath.Join(dir, n) }
	args := func(out string, more ...string) []string {
		return append([]string{"train", model, "--data", data, "-o", path(out), "--batch", "8", "--flip", "--dropout", "0.2", "--accumulate", "2",
			"--clip", "1", "--optimizer", "nesterov", "--schedule", "constant", "--smoothing", "0.1", "--class-weights", "balanced"}, more...)
	}
	trains := func(device, out string, more ...string) {
		t.Helper()
		code, msg := on(t, env, args(out, append([]string{"--device", device}, more...)...)...)
		require.Equal(t, 0, code, msg)
		require.Empty(t, msg)
	}
	trains("cpu", "cpu.teff", "--epochs", "2")
	trains("cuda", "cuda.teff", "--epochs", "2", "--log", path("log"), "--report", path("r.html"))
	off := apart(t, path("cpu.teff"), path("cuda.teff"))
	t.Logf("weights differ by at most %.1e of their largest", off)
	require.LessOrEqual(t, off, 1e-4)
	require.Contains(t, string(fileOf(t, dir, "r.html")), "cuda ")
	require.Equal(t, 2, strings.Count(string(fileOf(t, dir, "log")), "\n"))

	// Half of it on one, the rest on the other.
	for _, order := range [][2]string{{"cuda", "cpu"}, {"cpu", "auto"}, {"cuda", "cuda"}} {
		ck, out := path(order[0]+order[1]+".ck"), order[0]+order[1]+".teff"
		trains(order[0], "half.teff", "--epochs", "1", "--checkpoint", ck)
		trains(order[1], out, "--epochs", "2", "--checkpoint", ck, "--resume")
		off := apart(t, path("cpu.teff"), path(out))
		t.Logf("%v: weights differ by at most %.1e", order, off)
		require.LessOrEqual(t, off, 1e-4)
	}
	require.Equal(t, fileOf(t, dir, "cuda.teff"), fileOf(t, dir, "cudacuda.teff"), "resumed training gives another file")

	// The head alone, with adamw; frozen norms with adagrad.
	for _, more := range [][]string{{"--what", "head", "--optimizer", "adamw"}, {"--what", "last:1", "--optimizer", "adagrad"}, {"--what", "norms", "--optimizer", "adamw"}} {
		more = append(more, "--epochs", "1")
		trains("cpu", "a.teff", more...)
		trains("cuda", "b.teff", more...)
		off := apart(t, path("a.teff"), path("b.teff"))
		t.Logf("%v: weights differ by at most %.1e", more, off)
		require.LessOrEqual(t, off, 1e-3)
	}

	code, msg := on(t, env, args("x.teff", "--device", "cuda", "--epochs", "1", "--lr", "1e30", "--clip", "0")...)
	require.Equal(t, 1, code)
	require.Contains(t, msg, "diverged: loss is ")
	require.Contains(t, msg, "the first bad value is in layer")
	require.NoFileExists(t, path("x.teff"))
}

// trainRefused: what has no kernel is named, and auto trains on the CPU.
func trainRefused(t *testing.T, env []string) {
	dir, model, data := fixture(t, "40")
	file, err := os.ReadFile(model)
	require.NoError(t, err)
	parsed, err := format.Parse(file)
	require.NoError(t, err)
	changed := ""
	g, err := graph.Rewrite(parsed.Graph, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if u, ok := n.Op.(*ops.Unary); ok && changed == "" && u.Fn == ops.UnaryRelu {
			changed = n.Name
			return b.Add(n.Name, &ops.Unary{Fn: ops.UnaryTanh}, nil, in...)
		}
		return b.Keep(n, in)
	})
	require.NoError(t, err)
	require.NotEmpty(t, changed)
	odd := filepath.Join(dir, "odd.teff")
	require.NoError(t, format.WriteFile(odd, g, nil))
	args := []string{"train", odd, "--data", data, "-o", filepath.Join(dir, "out.teff"), "--epochs", "1", "--batch", "8", "--what", "all", "--device"}
	code, msg := on(t, env, append(args, "cuda")...)
	require.Equal(t, 1, code)
	require.Contains(t, msg, `"`+changed+`" (Unary): function`)
	require.Equal(t, 1, strings.Count(msg, "\n"))
	require.NoFileExists(t, filepath.Join(dir, "out.teff"))
	code, msg = on(t, env, append(args, "auto")...)
	require.Equal(t, 0, code)
	require.Contains(t, msg, "on the CPU: cuda: training: ")
	require.Equal(t, 1, strings.Count(msg, "\n"))
	require.FileExists(t, filepath.Join(dir, "out.teff"))

	// A device whose memory is too small, and none at all.
	for _, less := range []string{"TEFF_FAKE_MEMORY=65536", "TEFF_FAKE_DEVICES=0"} {
		if env == nil {
			break
		}
		args[1] = model
		code, msg = on(t, append(env, less), append(args, "cuda")...)
		require.Equal(t, 1, code)
		require.Contains(t, msg, "cuda: ")
		code, msg = on(t, append(env, less), append(args, "auto")...)
		require.Equal(t, 0, code)
		require.Contains(t, msg, "on the CPU: cuda: ")
	}
}
