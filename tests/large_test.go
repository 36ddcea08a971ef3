package tests

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/onnx"
)

// largeForms are networks of about n nodes, each of which would take minutes if something were asked of
// every pair of nodes.
var largeForms = map[string]func(b *graph.Builder, x graph.ID, n int){
	"readers of one value": func(b *graph.Builder, x graph.ID, n int) {
		for i := range n * 2 / 3 {
			b.Output(fmt.Sprint("y", i), b.Add("", &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{tensor.FromF32([]float32{float32(i + 1)})}, x))
		}
	},
	"values that live long": func(b *graph.Builder, x graph.ID, n int) {
		var all []graph.ID
		for i := range n / 2 {
			x = b.Add("", &ops.Unary{Fn: []ops.UnaryFn{ops.UnarySigmoid, ops.UnaryTanh}[i%2]}, nil, x)
			all = append(all, x)
		}
		for i := range all {
			x = b.Add("", &ops.Binary{Fn: ops.BinaryMul}, nil, x, all[len(all)-1-i])
		}
		b.Output("y", x)
	},
	"one concatenation": func(b *graph.Builder, x graph.ID, n int) {
		var all []graph.ID
		for i := range n / 3 {
			x = b.Add("", &ops.Slice{Starts: []int{i % 4}, Ends: []int{i%4 + 1}, Axes: []int{1}}, nil, b.Add("", &ops.Unary{Fn: ops.UnarySin}, nil, x))
			all = append(all, x)
			x = b.Add("", &ops.Tile{Repeats: []int{1, 8}}, nil, x)
		}
		b.Output("y", b.Add("", &ops.Concat{Axis: 1}, nil, all...))
	},
	"transposes": func(b *graph.Builder, x graph.ID, n int) {
		x = b.Add("", &ops.Reshape{Dims: []int{0, 4, 2}}, nil, x)
		for range n / 3 {
			x = b.Add("", &ops.Transpose{Perm: []int{0, 2, 1}}, nil, x)
			x = b.Add("", &ops.Softmax{Axis: 2}, nil, x)
			x = b.Add("", &ops.Transpose{Perm: []int{0, 2, 1}}, nil, x)
		}
		b.Output("y", x)
	},
}

// TestLargeGraphs: no stage from import to session compares all nodes with all others: networks of 20,000
// nodes take seconds.
func TestLargeGraphs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, form := range largeForms {
		t.Run(name, func(t *testing.T) {
			b := graph.NewBuilder(name)
			form(b, b.Input("x", tensor.F32Spec(1, 8), true), 20_000)
			g, err := b.Build()
			require.NoError(t, err)
			start, at := time.Now(), time.Now()
			lap := func(what string) {
				t.Logf("%s %v", what, time.Since(at))
				at = time.Now()
			}
			var file bytes.Buffer
			require.NoError(t, onnx.Export(&file, g))
			lap("export")
			g, err = onnx.ImportBytes(file.Bytes())
			require.NoError(t, err)
			lap("import")
			file.Reset()
			require.NoError(t, format.Write(&file, g, nil))
			lap("write")
			m, err := runtime.Parse(file.Bytes(), runtime.WithThreads(1))
			require.NoError(t, err)
			lap("open")
			_, err = m.NewSession()
			require.NoError(t, err)
			lap("plan")
			require.Less(t, time.Since(start), time.Minute)
		})
	}
}
