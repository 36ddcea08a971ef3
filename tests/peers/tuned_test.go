package main

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/onnx"
	"github.com/teff-ml/teff/tools/tflite"
)

// TestTuned trains networks a little, exports them, and expects ONNX Runtime to
// find the logits that Teff finds: all layers with batch norm, the last blocks
// of an imported network, a new head behind dropout, and one behind a backbone
// of integers.
func TestTuned(t *testing.T) {
	lib, err := filepath.Abs("node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1")
	must(t, err)
	if _, err := os.Stat(lib); err != nil {
		t.Skip("run.sh fetches ONNX Runtime")
	}
	ort.SetSharedLibraryPath(lib)
	must(t, ort.InitializeEnvironment())
	defer ort.DestroyEnvironment()
	shared := os.Getenv("TEFF_DATA")
	if shared == "" {
		shared = "../../../shared"
	}
	imported := func(path string) *graph.Graph {
		b, err := os.ReadFile(filepath.Join(shared, "models", path))
		if err != nil {
			t.Skip("no shared data: ", err)
		}
		var g *graph.Graph
		if filepath.Ext(path) == ".onnx" {
			g, err = onnx.ImportBytes(b)
		} else {
			g, err = tflite.Parse(b)
		}
		must(t, err)
		return g
	}
	t.Run("all", func(t *testing.T) {
		g, err := arch.New("resnet8", arch.Options{})
		must(t, err)
		same(t, steps(t, g, train.Config{Batch: 8}), 1e-5)
	})
	t.Run("last blocks", func(t *testing.T) {
		g := imported("real-onnx/resnet20/resnet20_bn.onnx")
		learns, err := train.LastBlocks(g, 3)
		must(t, err)
		same(t, steps(t, g, train.Config{Batch: 8, Norm: train.NormFrozen, Trainable: learns}), 1e-5)
	})
	t.Run("head", func(t *testing.T) {
		g, err := train.WithClasses(imported("real-onnx/squeezenet1.1/squeezenet1.1.onnx"), 3, 1, false)
		must(t, err)
		g, err = train.WithDropout(g, 0.5)
		must(t, err)
		same(t, tunedHead(t, g), 1e-5)
	})
	t.Run("head over integers", func(t *testing.T) {
		g, err := train.WithClasses(imported("mlperf-tiny/ic01/pretrainedResnet_quant.tflite"), 3, 1, false)
		must(t, err)
		same(t, tunedHead(t, g), 0.1) // a feature may be rounded the other way
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// steps trains on noise.
func steps(t *testing.T, g *graph.Graph, cfg train.Config) *graph.Graph {
	t.Helper()
	cfg.Schedule = train.Constant(0.01)
	tr, err := train.New(g, cfg)
	must(t, err)
	defer tr.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	classes := tr.Scores().Shape.Channels()
	for range 5 {
		for i, x := 0, tr.Input(0).F32(); i < len(x); i++ {
			x[i] = float32(rng.NormFloat64())
		}
		for i, y := 0, tr.Target().I32(); i < len(y); i++ {
			y[i] = int32(rng.IntN(classes))
		}
		_, err := tr.StepInPlace()
		must(t, err)
	}
	out, err := tr.Graph()
	must(t, err)
	return out
}

func tunedHead(t *testing.T, g *graph.Graph) *graph.Graph {
	t.Helper()
	_, head, err := train.Split(g)
	must(t, err)
	out, err := train.Join(g, steps(t, head, train.Config{Batch: 8}))
	must(t, err)
	return out
}

// same runs g here and, as ONNX, there.
func same(t *testing.T, g *graph.Graph, limit float64) {
	t.Helper()
	m, err := runtime.New(g)
	must(t, err)
	defer m.Close()
	s, err := m.NewSession()
	must(t, err)
	defer s.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	in := s.Input(0)
	if in.DType == tensor.F32 {
		for i := range in.F32() {
			in.F32()[i] = float32(rng.NormFloat64())
		}
	} else {
		for i := range in.Data {
			in.Data[i] = byte(rng.Uint32())
		}
	}
	must(t, s.Run(context.Background()))
	want := s.Output(0).F32()

	var b bytes.Buffer
	must(t, onnx.Export(&b, g))
	path := filepath.Join(t.TempDir(), "tuned.onnx")
	must(t, os.WriteFile(path, b.Bytes(), 0o644))
	dims := func(x tensor.Tensor) (d []int64) {
		for _, n := range x.Shape.Dims() {
			d = append(d, int64(n))
		}
		return d
	}
	var x ort.Value
	if in.DType == tensor.F32 {
		x, err = ort.NewTensor(ort.NewShape(dims(in)...), in.F32())
	} else {
		x, err = ort.NewTensor(ort.NewShape(dims(in)...), in.I8())
	}
	must(t, err)
	defer x.Destroy()
	y, err := ort.NewEmptyTensor[float32](ort.NewShape(dims(s.Output(0))...))
	must(t, err)
	defer y.Destroy()
	ins, outs, err := ort.GetInputOutputInfo(path)
	must(t, err)
	session, err := ort.NewAdvancedSession(path, []string{ins[0].Name}, []string{outs[0].Name}, []ort.Value{x}, []ort.Value{y}, nil)
	must(t, err)
	defer session.Destroy()
	must(t, session.Run())
	worst, largest := 0.0, 1.0
	for i, v := range y.GetData() {
		worst = max(worst, math.Abs(float64(v-want[i])))
		largest = max(largest, math.Abs(float64(v)))
	}
	worst /= largest
	t.Logf("largest difference %.2g", worst)
	if !(worst <= limit) {
		t.Fatalf("ONNX Runtime says %v, Teff %v", y.GetData(), want)
	}
}
