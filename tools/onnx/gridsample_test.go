package onnx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// gridSampled is GridSample by its definition, for one channel of one image.
func gridSampled(img []float32, h, w int, gx, gy float32, nearest, zeros, corners bool) float64 {
	place := func(g float32, n int) float64 {
		p := ((float64(g)+1)*float64(n) - 1) / 2
		if corners {
			p = (float64(g) + 1) / 2 * float64(n-1)
		}
		if !zeros {
			p = max(0, min(p, float64(n-1)))
		}
		return p
	}
	at := func(y, x int) float64 {
		if y < 0 || y >= h || x < 0 || x >= w {
			return 0 // by weight where the border pads
		}
		return float64(img[y*w+x])
	}
	x, y := place(gx, w), place(gy, h)
	if nearest {
		return at(int(math.RoundToEven(y)), int(math.RoundToEven(x)))
	}
	x0, y0 := int(math.Floor(x)), int(math.Floor(y))
	u, v := x-math.Floor(x), y-math.Floor(y)
	return (1-v)*((1-u)*at(y0, x0)+u*at(y0, x0+1)) + v*((1-u)*at(y0+1, x0)+u*at(y0+1, x0+1))
}

func TestGridSample(t *testing.T) {
	const n, c, h, w, places = 2, 3, 4, 5, 7
	img, grid := tensor.New(tensor.F32Spec(n, c, h, w)), tensor.New(tensor.F32Spec(n, places, 1, 2))
	for i := range img.F32() {
		img.F32()[i] = float32(math.Sin(float64(i * i)))
	}
	copy(grid.F32(), []float32{-1, -1, 1, 1, 0, 0, 0.3, -0.7, -1.21, 0.4, 1.3, 1.9, 1e9, -1e30, 0.8, 0.9, -0.13, 0.99, 1.02, -1.02, 0.5, 0.25, -0.6, 0.6, 0.11, 0.07, -3, 0})
	for _, mode := range []string{"bilinear", "nearest"} {
		for _, padding := range []string{"zeros", "border"} {
			for _, corners := range []bool{false, true} {
				b := newModel(16).input("x", -1, c, h, w).input("g", -1, places, 1, 2).output("y")
				b.node("GridSample", []string{"x", "g"}, []string{"y"}, func(a *attrs) {
					a.str("mode", mode)
					a.str("padding_mode", padding)
					a.int("align_corners", map[bool]int{true: 1}[corners])
				})
				g, err := ImportBytes(b.bytes())
				require.NoError(t, err)
				g, err = g.WithBatch(n)
				require.NoError(t, err)
				y := eval(t, g, img, grid)[0]
				require.Equal(t, tensor.Of(n, c, places, 1), y.Shape)
				for i, got := range y.F32() {
					p, ch, m := i%places, i/places%c, i/places/c
					at := grid.F32()[(m*places+p)*2:]
					want := gridSampled(img.F32()[(m*c+ch)*h*w:][:h*w], h, w, at[0], at[1], mode == "nearest", padding == "zeros", corners)
					require.InDelta(t, want, got, 2e-6, "%s %s %v, place %v", mode, padding, corners, at[:2])
				}
			}
		}
	}
	for attr, value := range map[string]string{"mode": "bicubic", "padding_mode": "reflection"} {
		b := newModel(16).input("x", -1, c, h, w).input("g", -1, places, 1, 2).output("y")
		b.node("GridSample", []string{"x", "g"}, []string{"y"}, func(a *attrs) { a.str(attr, value) })
		_, err := ImportBytes(b.bytes())
		require.ErrorContains(t, err, value)
	}
}
