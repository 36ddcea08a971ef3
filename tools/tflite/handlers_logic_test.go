package tflite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestLogicOperators imports and runs small networks on 0, 1, 2, …
func TestLogicOperators(t *testing.T) {
	number := func(f *tfile, v ...float32) int32 {
		return f.constant(typeFloat32, f32Bytes(v...), nil, int32(len(v)))
	}
	// chosen is x where a comparison with 2 holds, else -1.
	chosen := func(code int) func(f *tfile, x int32) int32 {
		return func(f *tfile, x int32) int32 {
			c, y := f.value(typeBool, nil, 1, 4), f.value(0, nil, 1, 4)
			f.op(code, nil, []int32{x, number(f, 2)}, c)
			f.op(opSelectV2, nil, []int32{c, x, number(f, -1)}, y)
			return y
		}
	}
	one := func(code int, options fbTable, more func(f *tfile) []int32, out ...int32) func(f *tfile, x int32) int32 {
		return func(f *tfile, x int32) int32 {
			y := f.value(0, nil, out...)
			f.op(code, options, append([]int32{x}, more(f)...), y)
			return y
		}
	}
	for name, c := range map[string]struct {
		in    []int32
		build func(f *tfile, x int32) int32
		want  []float32
	}{
		"equal":         {[]int32{1, 4}, chosen(opEqual), []float32{-1, -1, 2, -1}},
		"not equal":     {[]int32{1, 4}, chosen(opNotEqual), []float32{0, 1, -1, 3}},
		"less":          {[]int32{1, 4}, chosen(opLess), []float32{0, 1, -1, -1}},
		"less equal":    {[]int32{1, 4}, chosen(opLessEqual), []float32{0, 1, 2, -1}},
		"greater":       {[]int32{1, 4}, chosen(opGreater), []float32{-1, -1, -1, 3}},
		"greater equal": {[]int32{1, 4}, chosen(opGreaterEqual), []float32{-1, -1, 2, 3}},
		"logic": {[]int32{1, 4}, func(f *tfile, x int32) int32 { // 1 <= x < 3, not, or x == 0
			var b [6]int32
			for i := range b {
				b[i] = f.value(typeBool, nil, 1, 4)
			}
			f.op(opGreaterEqual, nil, []int32{x, number(f, 1)}, b[0])
			f.op(opLess, nil, []int32{x, number(f, 3)}, b[1])
			f.op(opLogicalAnd, nil, []int32{b[0], b[1]}, b[2])
			f.op(opEqual, nil, []int32{x, number(f, 0)}, b[3])
			f.op(opLogicalOr, nil, []int32{b[2], b[3]}, b[4])
			f.op(opLogicalNot, nil, []int32{b[4]}, b[5])
			y := f.value(0, nil, 1, 4)
			f.op(opCast, nil, []int32{b[5]}, y)
			return y
		}, []float32{0, 0, 0, 1}},
		"select rows": {[]int32{2, 3}, func(f *tfile, x int32) int32 {
			y := f.value(0, nil, 2, 3)
			f.op(opSelect, nil, []int32{f.constant(typeBool, []byte{0, 1}, nil, 2), x, f.constant(typeFloat32, f32Bytes(7, 7, 7, 7, 7, 7), nil, 2, 3)}, y)
			return y
		}, []float32{7, 7, 7, 3, 4, 5}},
		"floor div": {[]int32{1, 4}, one(opFloorDiv, nil, func(f *tfile) []int32 { return []int32{number(f, -2)} }, 1, 4), []float32{0, -1, -1, -2}},
		"floor mod": {[]int32{1, 4}, one(opFloorMod, nil, func(f *tfile) []int32 { return []int32{number(f, -3)} }, 1, 4), []float32{0, -2, -1, 0}},
		"largest":   {[]int32{2, 3}, one(opTopKV2, nil, func(f *tfile) []int32 { return []int32{f.ints(2)} }, 2, 2), []float32{2, 1, 5, 4}},
		"where largest": {[]int32{2, 3}, func(f *tfile, x int32) int32 {
			v, at, y := f.value(0, nil, 2, 2), f.value(typeInt32, nil, 2, 2), f.value(0, nil, 2, 2)
			f.op(opTopKV2, nil, []int32{x, f.ints(2)}, v, at)
			f.op(opCast, nil, []int32{at}, y)
			return y
		}, []float32{2, 1, 2, 1}},
		"running sum": {[]int32{1, 4}, one(opCumsum, fbTable{1, 1}, func(f *tfile) []int32 { return []int32{f.ints(1)} }, 1, 4), []float32{6, 5, 3, 0}},
		"one hot": {[]int32{1, 3}, func(f *tfile, x int32) int32 {
			at, y := f.value(typeInt32, nil, 1, 3), f.value(0, nil, 1, 3, 2)
			f.op(opCast, nil, []int32{x}, at)
			scalar := func(v float32) int32 { return f.constant(typeFloat32, f32Bytes(v), nil) }
			f.op(opOneHot, fbTable{-1}, []int32{at, f.constant(typeInt32, tensor.BytesOf([]int32{2}), nil), scalar(5), scalar(-1)}, y)
			return y
		}, []float32{5, -1, -1, 5, -1, -1}},
		"reversed": {[]int32{1, 2, 3}, one(opReverseV2, nil, func(f *tfile) []int32 { return []int32{f.ints(1, -1)} }, 1, 2, 3), []float32{5, 4, 3, 2, 1, 0}},
		"gather rows": {[]int32{2, 3, 2}, one(opGatherNd, nil, func(f *tfile) []int32 {
			return []int32{f.constant(typeInt32, tensor.BytesOf([]int32{1, 2, 0, 1}), nil, 2, 2)}
		}, 2, 2), []float32{10, 11, 2, 3}},
		"l2 pool": {[]int32{1, 2, 2, 1}, one(opL2Pool2d, fbTable{1, 2, 2, 2, 2, 3}, func(f *tfile) []int32 { return nil }, 1, 1, 1, 1), []float32{1.8708287}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFile()
			y := c.build(f, f.input(c.in...))
			dims := make([]int, len(c.in))
			for i, d := range c.in {
				dims[i] = int(d)
			}
			require.InDeltaSlice(t, c.want, eval(t, f.parse(t, y), iota(dims...))[0].F32(), 1e-5)
			f.miswire(t, y)
			everyByte(t, f.file(y), 0, 0xff)
		})
	}
}

// TestSelectQuantised: operands of other scales than the result's.
func TestSelectQuantised(t *testing.T) {
	q := func(s float32, z int64) fbTable { return fbTable{nil, nil, []float32{s}, []int64{z}} }
	f := newFile()
	x := f.input(1, 4)
	a, b, c, d, y := f.value(typeInt8, q(.1, 0), 1, 4), f.value(typeInt8, q(.2, 5), 1, 4), f.value(typeBool, nil, 1, 4),
		f.value(typeInt8, q(.25, -10), 1, 4), f.value(0, nil, 1, 4)
	f.op(opQuantize, nil, []int32{x}, a)
	f.op(opQuantize, nil, []int32{a}, b)
	f.op(opGreater, nil, []int32{a, f.constant(typeInt8, []byte{15}, q(.1, 0), 1)}, c)
	f.op(opSelectV2, nil, []int32{c, a, b}, d)
	f.op(opDequantize, nil, []int32{d}, y)
	require.InDeltaSlice(t, []float32{0, 1, 2, 3}, eval(t, f.parse(t, y), iota(1, 4))[0].F32(), 1e-5)
	f.miswire(t, y)
}
