package onnx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestGroupNormWrittenOut: a group norm as PyTorch exports it, groups as channels, is
// one operator; other scales, and other shapes behind it, are not.
func TestGroupNormWrittenOut(t *testing.T) {
	const n, c, h, w, size = 2, 6, 3, 5, 3
	for _, scale := range []float32{1, 2} {
		for _, back := range [][]int64{{n, c, h, w}, {n, c, w, h}} {
			b := newModel(13).input("x", n, c, h, w).output("y")
			b.node("Reshape", []string{"x", b.w.constant("to", tensor.FromI64([]int64{0, c / size, -1}, 3))}, []string{"g"}, nil)
			ones, zeros := b.w.constant("s", tensor.FromF32([]float32{scale, scale}, 2)), b.w.constant("b", tensor.FromF32([]float32{0, 0}, 2))
			b.node("InstanceNormalization", []string{"g", ones, zeros}, []string{"m"}, func(a *attrs) { a.float("epsilon", 1e-3) })
			b.node("Reshape", []string{"m", b.w.constant("from", tensor.FromI64(back, 4))}, []string{"y"}, nil)
			g, err := ImportBytes(b.bytes())
			require.NoError(t, err)
			found := false
			for i := range g.Len() {
				if op, ok := g.Node(graph.ID(i)).Op.(*ops.GroupNorm); ok && op.Groups == c/size {
					found = true
				}
			}
			require.Equal(t, scale == 1 && back[2] == h, found)
			x := tensor.New(tensor.F32Spec(n, c, h, w))
			for i := range x.F32() {
				x.F32()[i] = float32(math.Sin(float64(i * i)))
			}
			y := eval(t, g, x)[0].F32()
			const set = size * h * w
			for s := 0; s < len(y); s += set {
				mean, variance := 0.0, 0.0
				for _, v := range x.F32()[s : s+set] {
					mean += float64(v) / set
				}
				for _, v := range x.F32()[s : s+set] {
					variance += (float64(v) - mean) * (float64(v) - mean) / set
				}
				for i, v := range x.F32()[s : s+set] {
					require.InDelta(t, float64(scale)*(float64(v)-mean)/math.Sqrt(variance+1e-3), y[s+i], 3e-6)
				}
			}
		}
	}
}
