package onnx

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestResizeScale: in times the scale exported is out, in float32 and, but for nearest neighbours that this
// would change, in float64: 7 times the float32 next to 15/7 is 14.9999995. The values stay.
func TestResizeScale(t *testing.T) {
	exact := 0
	for in := 1; in < 30; in++ {
		for out := 1; out < 60; out++ {
			for _, op := range []*ops.Resize{{Mode: ops.ResizeLinear}, {Round: ops.RoundFloor}, {Round: ops.RoundFloor, Coord: ops.CoordAsymmetric}} {
				s := resizeScale(op, in, out, 1, 4)
				require.Equal(t, out, int(float32(in)*s))
				if int(float64(in)*float64(s)) == out {
					exact++
				} else {
					require.Equal(t, ops.ResizeNearest, op.Mode, "%d to %d", in, out)
				}
				scaled := *op
				scaled.Scales = []float32{0, s, 0, 0}
				for x := range out {
					c, want := op.Source(x, in, out, 1, 4)
					d, got := scaled.Source(x, in, out, 1, 4)
					require.InDelta(t, c, d, 2e-5)
					if base := float32(out) / float32(in); s != base && int(float32(in)*base) == out {
						require.Equal(t, want, got, "%d to %d, position %d", in, out, x)
					}
				}
			}
		}
	}
	require.Greater(t, exact, 29*59*3*93/100)
	b := graph.NewBuilder("resize")
	x := b.Input("x", tensor.F32Spec(1, 7, 4, 2), true)
	b.Output("y", b.Add("y", &ops.Resize{Mode: ops.ResizeLinear, Sizes: []int{0, 15, 0, 0}}, nil, x))
	g, err := b.Build()
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, Export(&file, g))
	h, err := ImportBytes(file.Bytes())
	require.NoError(t, err)
	v := tensor.New(tensor.F32Spec(1, 7, 4, 2))
	for i := range v.F32() {
		v.F32()[i] = float32(i * i % 17)
	}
	require.InDeltaSlice(t, eval(t, g, v)[0].F32(), eval(t, h, v)[0].F32(), 1e-5)
}

// TestAlignCorners: corners are those of scale times the extent, whole or not, but in PyTorch's files those of
// the result: 7 at 1.5 are 10 positions, of which the last is the input's last.
func TestAlignCorners(t *testing.T) {
	for _, producer := range []string{"", "pytorch"} {
		b := newModel(13).input("x", -1, 1, 7).output("y")
		b.node("Resize", []string{"x", "", b.w.floats("s", 1, 1, 1.5)}, []string{"y"}, func(a *attrs) {
			a.str("mode", "linear")
			a.str("coordinate_transformation_mode", "align_corners")
		})
		m := message(b.bytes())
		m.str(2, producer)
		g, err := ImportBytes(m)
		require.NoError(t, err)
		y := eval(t, g, tensor.FromF32([]float32{0, 1, 2, 3, 4, 5, 6}, 1, 1, 7))[0].F32()
		want := 6 * 9 / 9.5
		if producer == "pytorch" {
			want = 6
		}
		require.Len(t, y, 10)
		require.InDelta(t, want, y[9], 1e-5)
	}
}

// TestMiddleStays: the middle of a symmetric resize is the input's, however the scale is rounded.
func TestMiddleStays(t *testing.T) {
	op := &ops.Resize{Coord: ops.CoordHalfPixelSymmetric, Scales: []float32{0, 0.6}}
	c, i := op.Source(1, 6, 3, 1, 2)
	require.Equal(t, 2.5, c)
	require.Equal(t, 2, i)
}
