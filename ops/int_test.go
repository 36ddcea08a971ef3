package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/tensor"
)

// randInt8 is a random 8-bit tensor.
func randInt8(r *rand.Rand, d tensor.DType, q tensor.Quant, dims ...int) tensor.Tensor {
	t := tensor.New(tensor.Spec{DType: d, Shape: tensor.Of(dims...), Quant: q})
	for i := range t.Data {
		t.Data[i] = byte(r.Uint32())
	}
	return t
}

// zeroFor is a zero point that fits the type.
func zeroFor(r *rand.Rand, d tensor.DType) int {
	if d == tensor.U8 {
		return r.IntN(256)
	}
	return r.IntN(256) - 128
}

// samePaths checks that the prepared paths, on one and on three threads, give
// the reference's bytes.
func samePaths(t *testing.T, op Op, in, params []tensor.Tensor) {
	t.Helper()
	want, err := Run(op, in, params)
	require.NoError(t, err)
	for _, threads := range []int{1, 3} {
		pl := closing(t, threads)
		got, err := RunPrepared(op, in, params, &Prep{Threads: threads}, pl)
		pl.Close()
		require.NoError(t, err)
		require.Equal(t, want.Spec, got.Spec)
		require.Equal(t, want.Data, got.Data, "%d threads", threads)
	}
}

// TestConvInt compares every path of integer convolution with its definition:
// types, zero points of weights, groups, windows, limits.
func TestConvInt(t *testing.T) {
	cases := []struct {
		in                 []int // n, spatial..., c
		oc, groups         int
		kernel, stride     []int
		dilation, padLo    []int
		padHi              []int
		perChannel, noBias bool
	}{
		{in: []int{1, 5, 6, 3}, oc: 5, kernel: []int{3, 3}, padLo: []int{1, 1}, padHi: []int{1, 1}, perChannel: true},
		{in: []int{2, 9, 8, 3}, oc: 17, kernel: []int{3, 3}, stride: []int{2, 2}, padLo: []int{0, 0}, padHi: []int{1, 1}},
		{in: []int{1, 7, 7, 40}, oc: 33, kernel: []int{3, 3}, padLo: []int{1, 1}, padHi: []int{1, 1}, perChannel: true},
		{in: []int{3, 4, 5, 20}, oc: 31, kernel: []int{1, 1}, perChannel: true, noBias: true},
		{in: []int{1, 6, 6, 8}, oc: 9, kernel: []int{1, 1}, stride: []int{2, 2}},
		{in: []int{1, 9, 9, 16}, oc: 8, kernel: []int{3, 3}, dilation: []int{2, 3}, padLo: []int{2, 3}, padHi: []int{2, 3}},
		{in: []int{2, 6, 7, 12}, oc: 12, groups: 12, kernel: []int{3, 3}, padLo: []int{1, 1}, padHi: []int{1, 1}, perChannel: true},
		{in: []int{1, 11, 9, 35}, oc: 35, groups: 35, kernel: []int{5, 5}, stride: []int{2, 2}, padLo: []int{2, 2}, padHi: []int{2, 2}},
		{in: []int{1, 6, 6, 4}, oc: 12, groups: 4, kernel: []int{3, 3}, padLo: []int{0, 1}, padHi: []int{2, 1}, perChannel: true},
		{in: []int{1, 5, 5, 24}, oc: 16, groups: 4, kernel: []int{3, 2}, perChannel: true},
		{in: []int{2, 20, 6}, oc: 10, kernel: []int{5}, stride: []int{2}, padLo: []int{3}, padHi: []int{1}},
		{in: []int{1, 4, 5, 6, 7}, oc: 6, kernel: []int{2, 3, 3}, padLo: []int{1, 1, 1}, padHi: []int{0, 1, 1}, perChannel: true},
	}
	cputest.ForEachPath(t, "gemmi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 1))
		for i, c := range cases {
			for _, types := range [][2]tensor.DType{{tensor.I8, tensor.I8}, {tensor.U8, tensor.U8}, {tensor.U8, tensor.I8}} {
				t.Run(fmt.Sprint(i, types), func(t *testing.T) {
					x := randInt8(r, types[0], tensor.Affine(0.02, zeroFor(r, types[0])), c.in...)
					ic, groups := c.in[len(c.in)-1], max(1, c.groups)
					w := randInt8(r, types[1], tensor.Quant{}, append(append([]int{c.oc}, c.kernel...), ic/groups)...)
					w.Quant = tensor.Affine(0.01, 0)
					if types[1] == tensor.U8 {
						w.Quant = tensor.Affine(0.01, zeroFor(r, tensor.U8))
					} else if c.perChannel {
						w.Quant = tensor.Quant{}
						for range c.oc {
							w.Quant.Scale = append(w.Quant.Scale, 0.001+0.02*r.Float32())
						}
					}
					params := []tensor.Tensor{w}
					if !c.noBias {
						b := make([]int32, c.oc)
						for j := range b {
							b[j] = int32(r.IntN(20000) - 10000)
						}
						params = append(params, tensor.FromI32(b, c.oc))
					}
					op := &Conv{Window: Window{Stride: c.stride, Dilation: c.dilation, PadLo: c.padLo, PadHi: c.padHi}, Groups: c.groups}
					op.Out = QuantOut(types[0], 0.3, zeroFor(r, types[0]))
					if i%2 == 1 {
						op.Act = Clip(-5, 9)
						op.Out.Zero = 40
					}
					samePaths(t, op, []tensor.Tensor{x}, params)
				})
			}
		}
	})
}

// TestDenseInt compares the packed integer product with its definition.
func TestDenseInt(t *testing.T) {
	cputest.ForEachPath(t, "gemmi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 2))
		for _, c := range [][3]int{{1, 1, 1}, {1, 64, 10}, {3, 77, 33}, {8, 130, 5}, {1, 640, 129}} {
			for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
				x := randInt8(r, d, tensor.Affine(0.1, zeroFor(r, d)), c[0], c[1])
				w := randInt8(r, d, tensor.Affine(0.01, 0), c[2], c[1])
				if d == tensor.U8 {
					w.Quant.Zero = []int32{int32(zeroFor(r, d))}
				}
				op := &Dense{Out: QuantOut(d, 0.7, zeroFor(r, d))}
				samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{w, tensor.FromI32(make([]int32, c[2]), c[2])})
				samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{w})
			}
		}
	})
}

// TestDepthwiseInt is TestConvInt's depthwise cases on that kernel's paths.
func TestDepthwiseInt(t *testing.T) {
	cputest.ForEachPath(t, "dwi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		for _, c := range []struct{ h, w, c, k, s int }{{5, 5, 1 + 7, 3, 1}, {9, 7, 16, 3, 2}, {8, 12, 37, 5, 1}, {6, 6, 64, 3, 1}, {7, 9, 12, 4, 3}} {
			for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
				x := randInt8(r, d, tensor.Affine(0.1, zeroFor(r, d)), 2, c.h, c.w, c.c)
				w := randInt8(r, d, tensor.Affine(0.02, 0), c.c, c.k, c.k, 1)
				if d == tensor.U8 {
					w.Quant.Zero = []int32{int32(zeroFor(r, d))}
				}
				op := &Conv{Window: Window{Stride: []int{c.s, c.s}, Auto: PadSameUpper}, Groups: c.c, Out: QuantOut(d, 0.5, zeroFor(r, d))}
				samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{w})
			}
		}
	})
}

// TestElementwiseInt compares the vector paths of sums, products, pools,
// means and conversions with their definitions.
func TestElementwiseInt(t *testing.T) {
	cputest.ForEachPath(t, "veci8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
			q := func() tensor.Quant { return tensor.Affine(0.01+0.2*r.Float32(), zeroFor(r, d)) }
			for _, fn := range []BinaryFn{BinaryAdd, BinarySub, BinaryMul, BinaryMax, BinaryMin, BinarySquaredDiff} {
				for _, shapes := range [][2][]int{{{2, 5, 7, 3}, {2, 5, 7, 3}}, {{2, 5, 7, 33}, {33}}, {{3, 1, 4, 1}, {1, 2, 4, 17}}, {{1}, {70}}, {{9, 40}, {9, 1}}} {
					a, b := randInt8(r, d, q(), shapes[0]...), randInt8(r, d, q(), shapes[1]...)
					samePaths(t, &Binary{Fn: fn, Out: QuantOut(d, 0.15, zeroFor(r, d))}, []tensor.Tensor{a, b}, nil)
					samePaths(t, &Binary{Fn: fn, Out: QuantOut(d, 0.15, 7), Act: Clip(0, 6)}, []tensor.Tensor{a}, []tensor.Tensor{b})
				}
			}
			x := randInt8(r, d, q(), 2, 9, 7, 21)
			same := OutTypeOf(x.Spec)
			for _, out := range []OutType{same, QuantOut(d, 0.3, 11)} {
				for _, fn := range []PoolFn{PoolMax, PoolAvg} {
					for _, w := range []Window{
						{Kernel: []int{2, 3}, Stride: []int{2, 2}, Auto: PadSameUpper}, {Kernel: []int{9, 7}},
						{Kernel: []int{3, 3}, PadLo: []int{2, 2}, PadHi: []int{1, 1}, Dilation: []int{1, 2}},
					} {
						samePaths(t, &Pool{Window: w, Fn: fn, Out: out, CountIncludePad: w.PadLo != nil}, []tensor.Tensor{x}, nil)
					}
					samePaths(t, &GlobalPool{Fn: fn, Out: out}, []tensor.Tensor{x}, nil)
				}
				samePaths(t, &Reduce{Fn: ReduceMean, Axes: []int{1, 2}, KeepDims: true, Out: out}, []tensor.Tensor{x}, nil)
			}
			samePaths(t, &Dequantize{}, []tensor.Tensor{x}, nil)
			f := tensor.New(tensor.F32Spec(3, 37))
			for i := range f.F32() {
				f.F32()[i] = 40*r.Float32() - 20
			}
			samePaths(t, &Quantize{Out: QuantOut(d, 0.1, 3)}, []tensor.Tensor{f}, nil)
		}
	})
}

// TestResizeInt wants resized integers within one unit of resized numbers, and
// nearest to be a copy.
func TestResizeInt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
		x := randInt8(r, d, tensor.Affine(0.1, zeroFor(r, d)), 2, 5, 7, 3)
		f, err := Run(&Dequantize{}, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		for _, op := range []Resize{
			{Mode: ResizeLinear, Coord: CoordHalfPixel}, {Mode: ResizeLinear, Coord: CoordAlignCorners}, {Mode: ResizeLinear, Coord: CoordAsymmetric},
			{Mode: ResizeCubic, Coord: CoordHalfPixel}, {Mode: ResizeLinear, Coord: CoordHalfPixel, Antialias: true},
			{Mode: ResizeNearest, Coord: CoordAsymmetric, Round: RoundFloor},
		} {
			for _, sizes := range [][]int{{0, 9, 13, 0}, {0, 3, 4, 0}, {0, 5, 20, 0}} {
				op.Sizes = sizes
				samePaths(t, &op, []tensor.Tensor{x}, nil)
				got, err := Run(&op, []tensor.Tensor{x}, nil)
				require.NoError(t, err)
				want, err := Run(&op, []tensor.Tensor{f}, nil)
				require.NoError(t, err)
				q := newQ8(&got.Spec)
				lo, hi := tensor.IntRange(d)
				for i, w := range want.F32() {
					exact := min(max(w/0.1+float32(q.zero), float32(lo)), float32(hi))
					require.InDelta(t, exact, q.raw(got.Data[i]), 1.01)
				}
			}
		}
	}
}

// TestConvTransposeInt compares with the sums written out.
func TestConvTransposeInt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 6))
	x := randInt8(r, tensor.U8, tensor.Affine(0.1, 101), 2, 3, 4, 5)
	w := randInt8(r, tensor.I8, tensor.PerChannel([]float32{.01, .02, .005}, 3), 5, 3, 2, 3)
	bias := tensor.FromI32([]int32{100, -2000, 7}, 3)
	op := &ConvTranspose{Window: Window{Stride: []int{2, 3}, PadLo: []int{1, 0}, PadHi: []int{0, 1}}, Out: QuantOut(tensor.U8, 0.3, 90)}
	samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{w, bias})
	y, err := Run(op, []tensor.Tensor{x}, []tensor.Tensor{w, bias})
	require.NoError(t, err)
	oh, ow := y.Shape.Dim(1), y.Shape.Dim(2)
	require.Equal(t, tensor.Of(2, 6, 10, 3), y.Shape)
	for n := range 2 {
		for h := range oh {
			for v := range ow {
				for o := range 3 {
					sum := bias.I32()[o]
					for i := range 3 {
						for j := range 4 {
							kh, kw := h+1-2*i, v-3*j
							if kh < 0 || kh > 2 || kw < 0 || kw > 1 {
								continue
							}
							for c := range 5 {
								sum += (int32(x.Data[((n*3+i)*4+j)*5+c]) - 101) * int32(w.I8()[((c*3+kh)*2+kw)*3+o])
							}
						}
					}
					want := requantize(sum, requantScale(0.1, w.Quant.Scale[o], 0.3), 90, 0, 255)
					require.Equal(t, byte(want), y.Data[((n*oh+h)*ow+v)*3+o])
				}
			}
		}
	}
}
