package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/tensor"
)

// withEdges is normalTensor with numbers that are none, infinite, equal and 0 in it.
func withEdges(seed uint64, dims ...int) tensor.Tensor {
	x := normalTensor(seed, dims...)
	v := x.F32()
	for i, e := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 2, 2} {
		if at := int(seed)%7 + 13*i; at < len(v) {
			v[at] = float32(e)
		}
	}
	return x
}

// TestArgMaxFast: the first of equals, and a NaN before all, along any axis.
func TestArgMaxFast(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		for _, dims := range [][]int{{3, 21, 17, 19}, {2, 300, 4}, {1, 64, 33}, {700, 21}, {1, 1000}, {5, 2}, {40, 3}, {1, 2, 9}, {17, 1}} {
			for axis := range dims {
				for _, to := range []tensor.DType{tensor.I64, tensor.I32} {
					checkFast(t, &ArgMax{Axis: axis, To: to}, []tensor.Tensor{withEdges(uint64(axis), dims...)}, nil, 0)
					checkFast(t, &ArgMax{Axis: axis, To: to}, []tensor.Tensor{tensor.New(tensor.F32Spec(dims...))}, nil, 0)
				}
				checkFast(t, &ArgMax{Axis: axis, Min: true, Last: true}, []tensor.Tensor{withEdges(uint64(axis), dims...)}, nil, 0)
			}
		}
	})
}

// TestCompareFast compares and chooses with every way in which operands repeat.
func TestCompareFast(t *testing.T) {
	shapes := [][2][]int{{{3, 5, 37}, {3, 5, 37}}, {{3, 5, 37}, {1}}, {{1}, {2, 530}}, {{3, 1, 37}, {5, 1}}, {{5, 1}, {3, 5, 16}}, {{2, 9}, {9}}, {{2, 700}, {2, 1}}}
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		for i, s := range shapes {
			x, y := withEdges(uint64(i), s[0]...), withEdges(uint64(i), s[1]...)
			for fn := range CompareFn(numCompare) {
				op := &Compare{Fn: fn}
				checkFast(t, op, []tensor.Tensor{x, y}, nil, 0)
				c, err := Run(op, []tensor.Tensor{x, y}, nil)
				require.NoError(t, err)
				checkFast(t, &Cast{To: tensor.F32}, []tensor.Tensor{c}, nil, 0)
				checkFast(t, &Where{}, []tensor.Tensor{c, x, y}, nil, 0)
				checkFast(t, &Logic{Fn: LogicNot}, []tensor.Tensor{c}, nil, 0)
			}
			for _, fn := range []BinaryFn{BinaryMin, BinaryMax} {
				checkFast(t, &Binary{Fn: fn}, []tensor.Tensor{x, y}, nil, 0)
				clean := []tensor.Tensor{normalTensor(1, s[0]...), normalTensor(2, s[1]...)}
				checkFast(t, &Binary{Fn: fn, Act: Clip(-0.5, 1)}, clean, nil, 0)
			}
		}
	})
}

// TestWhereChooses checks conditions that repeat, against the definition written out.
func TestWhereChooses(t *testing.T) {
	for _, dims := range [][]int{{3, 5, 37}, {1, 5, 37}, {1, 1, 37}, {3, 5, 1}, {1}} {
		c := tensor.New(tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(dims...)})
		for i := range c.Data {
			c.Data[i] = byte(i * i % 3) // any byte but 0 is true
		}
		x, y := normalTensor(1, 3, 5, 37), normalTensor(2, 5, 1)
		out, err := Run(&Where{}, []tensor.Tensor{c, x, y}, nil)
		require.NoError(t, err)
		walk := newBcast(out.Shape, c.Shape)
		for i, v := range out.F32() {
			at := 0
			for d, rest := walk.rank-1, i; d >= 0; d-- {
				at += rest % walk.dim[d] * walk.stride[0][d]
				rest /= walk.dim[d]
			}
			want := y.F32()[i/37%5]
			if c.Data[at] != 0 {
				want = x.F32()[i]
			}
			require.Equal(t, want, v, "%v: %d", dims, i)
		}
	}
}

func TestLogicFast(t *testing.T) {
	bools := func(dims ...int) tensor.Tensor {
		c := tensor.New(tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(dims...)})
		for i := range c.Data {
			c.Data[i] = byte(i * 7 % 5 * 64)
		}
		return c
	}
	truth := func(v byte) bool { return v != 0 }
	x, y := bools(3, 21), bools(1, 21)
	for fn, f := range map[LogicFn]func(a, b bool) bool{LogicAnd: func(a, b bool) bool { return a && b }, LogicOr: func(a, b bool) bool { return a || b }, LogicXor: func(a, b bool) bool { return a != b }} {
		out, err := Run(&Logic{Fn: fn}, []tensor.Tensor{x, y}, nil)
		require.NoError(t, err)
		for i, v := range out.Data {
			require.Equal(t, f(truth(x.Data[i]), truth(y.Data[i%21])), v == 1, "%d: %d", fn, i)
		}
	}
}

// TestCumSumFast sums lines side by side, in both directions, in place and not.
func TestCumSumFast(t *testing.T) {
	for _, dims := range [][]int{{3, 197, 24}, {2, 5, 600}, {1, 9, 8}, {40, 7}, {3, 1100, 9}} {
		for axis := range dims {
			for i := range 4 {
				checkFast(t, &CumSum{Axis: axis, Exclusive: i&1 != 0, Reverse: i&2 != 0}, []tensor.Tensor{normalTensor(1, dims...)}, nil, 0)
			}
		}
	}
}

// TestLRNHuge: squares of these numbers are beyond float32.
func TestLRNHuge(t *testing.T) {
	x := normalTensor(1, 5, 64)
	for i, v := range x.F32() {
		x.F32()[i] = 1e20 * v
	}
	op := &LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, Bias: 1}
	checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
	out, err := RunPrepared(op, []tensor.Tensor{x}, nil, &Prep{Threads: 1}, nil)
	require.NoError(t, err)
	require.NotZero(t, out.F32()[7])
}

// TestPowFast: numbers that logarithms serve, and those that they do not.
func TestPowFast(t *testing.T) {
	x, y := withEdges(1, 30, 50), withEdges(3, 30, 50)
	checkFast(t, &Binary{Fn: BinaryPow}, []tensor.Tensor{x, y}, nil, 1e-6)
	one := tensor.New(tensor.F32Spec(1))
	for _, v := range []float32{2.2, -0.3, 1.0 / 3, 0, float32(math.Inf(1))} {
		one.F32()[0] = v
		checkFast(t, &Binary{Fn: BinaryPow}, []tensor.Tensor{x, one}, nil, 1e-6)
	}
}

// TestResizeIntFixed compares sums of bytes with the definition in whole numbers.
func TestResizeIntFixed(t *testing.T) {
	for _, dtype := range []tensor.DType{tensor.I8, tensor.U8} {
		for _, dims := range [][2][]int{{{1, 5, 7, 3}, {1, 10, 14, 3}}, {{2, 4, 3, 19}, {2, 9, 5, 19}}, {{1, 6, 4}, {1, 6, 9}}, {{1, 3, 4, 5}, {1, 3, 8, 5}}} {
			t.Run(fmt.Sprint(dtype, dims), func(t *testing.T) {
				x := tensor.New(tensor.Spec{DType: dtype, Shape: tensor.Of(dims[0]...), Quant: tensor.Affine(0.1, 3)})
				for i := range x.Data {
					x.Data[i] = byte(i * 37)
				}
				sizes := append([]int(nil), dims[1]...)
				op := &Resize{Mode: ResizeLinear, Sizes: sizes}
				out, err := Run(op, []tensor.Tensor{x}, nil)
				require.NoError(t, err)
				real := tensor.New(tensor.F32Spec(dims[0]...))
				for i := range x.Data {
					real.F32()[i] = float32(int64At(&x, i))
				}
				want, err := Run(op, []tensor.Tensor{real}, nil)
				require.NoError(t, err)
				for i, w := range want.F32() {
					require.InDelta(t, w, float64(int64At(&out, i)), 0.51+0.1, "%d", i)
				}
			})
		}
	}
}
