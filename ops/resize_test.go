package ops

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestResizeFastAndGradients(t *testing.T) {
	ops := []*Resize{
		{Mode: ResizeNearest}, {Mode: ResizeNearest, Round: RoundCeil, Coord: CoordAlignCorners},
		{Mode: ResizeLinear}, {Mode: ResizeLinear, Coord: CoordAlignCorners}, {Mode: ResizeLinear, Coord: CoordPytorchHalfPixel},
		{Mode: ResizeLinear, Antialias: true}, {Mode: ResizeCubic}, {Mode: ResizeCubic, ExcludeOutside: true, CubicA: -0.5},
		{Mode: ResizeCubic, Antialias: true, ExcludeOutside: true},
		{Mode: ResizeLinear, Coord: CoordTFCrop, Extrapolation: 9},
		{Mode: ResizeNearest, Coord: CoordTFCrop, Extrapolation: 9},
	}
	for _, op := range ops {
		for _, c := range []struct {
			in, sizes []int
			roi       []float32
		}{
			{[]int{2, 3, 4, 3}, []int{0, 5, 7, 0}, []float32{0, -0.2, 0.1, 0, 1, 0.8, 1.3, 1}},
			{[]int{1, 6, 5, 1}, []int{0, 3, 1, 0}, []float32{0, 0, 0.5, 0, 1, 1, 1, 1}},
			{[]int{2, 7, 3}, []int{0, 4, 0}, []float32{0, 0.2, 0, 1, 1.1, 1}},
			{[]int{1, 2, 3, 2, 2}, []int{0, 4, 2, 3, 0}, []float32{0, 0, 0, 0.3, 0, 1, 1, 1, 1, 1}},
			{[]int{1, 2, 3, 19}, []int{0, 3, 4, 0}, []float32{0, -0.2, 0.1, 0, 1, 0.8, 1.3, 1}},
			{[]int{1, 3, 4}, []int{0, 4, 6}, []float32{0, 0, -0.1, 1, 1, 1}}, // channels too
		} {
			o := *op
			o.Sizes, o.ROI = c.sizes, c.roi
			x := normalTensor(6, c.in...)
			checkFast(t, &o, []tensor.Tensor{x}, nil, 1e-6)
			checkGradWith(t, &o, []tensor.Tensor{x}, nil, gradOptions{Step: 0.5})
		}
	}
}

// TestResizeSeparates holds the kernel to the sum of products that defines it,
// with a tap's weights taken from resizes of unit vectors.
func TestResizeSeparates(t *testing.T) {
	for _, op := range []Resize{{Mode: ResizeLinear}, {Mode: ResizeCubic}, {Mode: ResizeLinear, Antialias: true}, {Mode: ResizeNearest}} {
		const h, w, oh, ow, c = 5, 4, 8, 3, 3
		weights := func(in, out int) []float64 { // [out][in]
			m := make([]float64, out*in)
			for i := range in {
				x := tensor.New(tensor.F32Spec(1, in, 1))
				x.F32()[i] = 1
				o := op
				o.Sizes = []int{0, out, 0}
				y, err := Run(&o, []tensor.Tensor{x}, nil)
				require.NoError(t, err)
				for j, v := range y.F32() {
					m[j*in+i] = float64(v)
				}
			}
			return m
		}
		wh, ww := weights(h, oh), weights(w, ow)
		x := normalTensor(3, 2, h, w, c)
		o := op
		o.Sizes = []int{0, oh, ow, 0}
		y, err := RunPrepared(&o, []tensor.Tensor{x}, nil, &Prep{Threads: 3}, closing(t, 3))
		require.NoError(t, err)
		for i, got := range y.F32() {
			n, py, px, ch := i/(oh*ow*c), i/(ow*c)%oh, i/c%ow, i%c
			sum := 0.0
			for a := range h {
				for b := range w {
					sum += wh[py*h+a] * ww[px*w+b] * float64(x.F32()[((n*h+a)*w+b)*c+ch])
				}
			}
			require.InDelta(t, sum, got, 2e-6)
		}
	}
}

func TestResizeValues(t *testing.T) {
	x := tensor.FromF32([]float32{1, 2, 3, 4}, 1, 4, 1)
	for _, c := range []struct {
		op   Resize
		want []float32
	}{
		{Resize{Mode: ResizeLinear, Sizes: []int{0, 8, 0}}, []float32{1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4}},
		{Resize{Mode: ResizeLinear, Coord: CoordAlignCorners, Sizes: []int{0, 7, 0}}, []float32{1, 1.5, 2, 2.5, 3, 3.5, 4}},
		{Resize{Mode: ResizeLinear, Coord: CoordAsymmetric, Sizes: []int{0, 8, 0}}, []float32{1, 1.5, 2, 2.5, 3, 3.5, 4, 4}},
		{Resize{Mode: ResizeLinear, Coord: CoordPytorchHalfPixel, Sizes: []int{0, 1, 0}}, []float32{1}},
		{Resize{Coord: CoordAsymmetric, Round: RoundFloor, Sizes: []int{0, 6, 0}}, []float32{1, 1, 2, 3, 3, 4}},
		{Resize{Coord: CoordHalfPixel, Sizes: []int{0, 2, 0}}, []float32{1, 3}}, // 0.5 and 2.5 round down
		{Resize{Coord: CoordHalfPixel, Round: RoundPreferCeil, Sizes: []int{0, 2, 0}}, []float32{2, 4}},
		// Weights 1/8 3/8 3/8 1/8 from one place before the input: it repeats
		// its border, or does without the outer tap.
		{Resize{Mode: ResizeLinear, Antialias: true, Sizes: []int{0, 2, 0}}, []float32{1.625, 3.375}},
		{Resize{Mode: ResizeLinear, Antialias: true, ExcludeOutside: true, Sizes: []int{0, 2, 0}}, []float32{12. / 7, 23. / 7}},
	} {
		out, err := Run(&c.op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		require.InDeltaSlice(t, c.want, out.F32(), 1e-6, "%+v", c.op)
	}
}

// TestResizeScales: extents are floored products in float32, as ONNX infers
// them, and the scale as given, not out/in, maps coordinates.
func TestResizeScales(t *testing.T) {
	for _, c := range []struct {
		in    int
		scale float32
		want  int
	}{{10, 0.7, 7}, {5, 0.6, 3}, {4, 0.6, 2}, {7, 2, 14}, {3, 2.5, 7}, {100, 0.29, 29}} {
		s, err := (&Resize{Scales: []float32{1, c.scale, 0}}).Infer([]tensor.Spec{tensor.F32Spec(1, c.in, 2)}, nil)
		require.NoError(t, err)
		require.Equal(t, tensor.Of(1, c.want, 2), s.Shape, "%d at %v", c.in, c.scale)
	}
	x := tensor.FromF32([]float32{0, 1, 2, 3}, 1, 4, 1)
	out, err := Run(&Resize{Mode: ResizeLinear, Coord: CoordAsymmetric, Scales: []float32{0, 0.6, 0}}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0, 1 / 0.6}, out.F32(), 1e-5)
}

// TestResizeMovesAnyType: nearest is data movement.
func TestResizeMovesAnyType(t *testing.T) {
	dims := []int{2, 3, 2, 2}
	checkMoved := &Resize{Coord: CoordAsymmetric, Round: RoundFloor, Sizes: []int{0, 6, 4, 0}}
	for _, s := range moveTypes() {
		x := counting(s, dims...)
		out, err := Run(checkMoved, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		size := s.DType.Size()
		for i := range out.Shape.Elems() {
			j := flat(dims, i/48, i/8%6/2, i/2%4/2, i%2)
			require.Equal(t, x.Data[j*size:(j+1)*size], out.Data[i*size:(i+1)*size])
		}
		checkFast(t, checkMoved, []tensor.Tensor{x}, nil, 0)
	}
}

// TestResizeRefuses has attributes that no importer writes but a file may hold.
func TestResizeRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, op := range map[string]*Resize{
		"nothing":         {},
		"wrong rank":      {Sizes: []int{1}},
		"negative size":   {Sizes: []int{0, -1}},
		"negative scale":  {Scales: []float32{0, -1}},
		"no number":       {Sizes: []int{0, 4}, Scales: []float32{0, nan}},
		"infinite":        {Sizes: []int{0, 4}, Scales: []float32{0, inf}},
		"to nothing":      {Scales: []float32{0, 0.01}},
		"contradiction":   {Mode: ResizeLinear, Sizes: []int{0, 8}, Scales: []float32{0, 0.5}},
		"countless taps":  {Mode: ResizeLinear, Antialias: true, Sizes: []int{0, 4}, Scales: []float32{0, 1e-12}},
		"taps of a crop":  {Mode: ResizeLinear, Coord: CoordTFCrop, ROI: []float32{0, 0, 1, 1}, Antialias: true, Sizes: []int{0, 4}, Scales: []float32{0, 1e-12}},
		"no region":       {Coord: CoordTFCrop, Sizes: []int{0, 4}},
		"region":          {Coord: CoordTFCrop, Sizes: []int{0, 4}, ROI: []float32{0, 0, 1, inf}},
		"region, no size": {Coord: CoordTFCrop, Scales: []float32{0, 1}, ROI: []float32{0, 1, 1, 0}},
		"mode":            {Mode: 9, Sizes: []int{0, 4}},
	} {
		done := make(chan error, 1)
		go func() {
			_, err := RunPrepared(op, []tensor.Tensor{normalTensor(1, 1, 10)}, nil, &Prep{}, nil)
			done <- err
		}()
		select {
		case err := <-done:
			require.Error(t, err, name)
		case <-time.After(10 * time.Second):
			t.Fatal(name, "does not end")
		}
	}
}

// TestResizeExcludesEverything: where all taps are outside, the border counts.
func TestResizeExcludesEverything(t *testing.T) {
	op := &Resize{Mode: ResizeLinear, Coord: CoordAsymmetric, ExcludeOutside: true, Sizes: []int{0, 3}, Scales: []float32{0, 0.5}}
	out, err := Run(op, []tensor.Tensor{tensor.FromF32([]float32{1, 2, 3, 4}, 1, 4)}, nil)
	require.NoError(t, err)
	require.Equal(t, []float32{1, 3, 4}, out.F32())
}

// TestResizeNearestTies: where a position falls on a pixel, it is that pixel:
// sizes by integers, scales by float32 as the frameworks divide.
func TestResizeNearestTies(t *testing.T) {
	sized := Resize{Mode: ResizeNearest, Coord: CoordAsymmetric, Round: RoundFloor}
	for in := 1; in < 50; in++ {
		for out := 1; out < 50; out++ {
			for x := range out {
				_, i := sized.Source(x, in, out, 0, 1)
				require.Equal(t, x*in/out, i, "%d of %d from %d", x, out, in)
			}
		}
	}
	scaled := sized
	scaled.Scales = []float32{0.6}
	_, i := scaled.Source(3, 23, 13, 0, 1)
	require.Equal(t, 5, i)
	scaled.Scales = []float32{1.7}
	_, i = scaled.Source(17, 17, 28, 0, 1)
	require.Equal(t, 10, i)
}
