package tflite

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// tfile collects the parts of a file of one graph.
type tfile struct {
	tensors, buffers, codes, operators []fbTable
	inputs                             []int32
}

func newFile() *tfile { return &tfile{buffers: []fbTable{{}}} }

// value adds a tensor that something computes. A first dimension of -1 is an
// open batch.
func (f *tfile) value(typ int, quant fbTable, dims ...int32) int32 {
	shape := append([]int32(nil), dims...)
	t := fbTensor("t"+string(rune('a'+len(f.tensors))), typ, 0, quant)
	t = append(t, nil, nil, nil)
	if len(dims) > 0 && dims[0] < 0 {
		shape[0] = 1
		t[7] = dims
	}
	t[0] = shape
	f.tensors = append(f.tensors, t)
	return int32(len(f.tensors) - 1)
}

func (f *tfile) input(dims ...int32) int32 {
	t := f.value(typeFloat32, nil, dims...)
	f.inputs = append(f.inputs, t)
	return t
}

// constant adds a tensor with data.
func (f *tfile) constant(typ int, data []byte, quant fbTable, dims ...int32) int32 {
	t := f.value(typ, quant, dims...)
	f.buffers = append(f.buffers, fbTable{data})
	f.tensors[t][2] = len(f.buffers) - 1
	return t
}

func (f *tfile) ints(v ...int32) int32 {
	return f.constant(typeInt32, tensor.BytesOf(v), nil, int32(len(v)))
}

func (f *tfile) op(code int, options fbTable, in []int32, out ...int32) {
	f.codes = append(f.codes, fbTable{min(code, 127), nil, 1, code})
	o := fbTable{len(f.codes) - 1, in, out}
	if options != nil {
		o = append(o, 1, options)
	}
	f.operators = append(f.operators, o)
}

// file is the FlatBuffer.
func (f *tfile) file(out ...int32) []byte {
	return fbFile(fbTable{3, f.codes, []fbTable{{f.tensors, f.inputs, out, f.operators, "g"}}, "", f.buffers})
}

func (f *tfile) parse(t *testing.T, out ...int32) *graph.Graph {
	t.Helper()
	g, err := Parse(f.file(out...))
	require.NoError(t, err)
	return g
}

// miswire gives every operator, one input at a time, another tensor or none
// (-1): a graph or an error, never a panic.
func (f *tfile) miswire(t *testing.T, out int32) {
	t.Helper()
	for _, o := range f.operators {
		in := o[1].([]int32)
		for i, was := range in {
			for x := range int32(len(f.tensors)) + 1 {
				in[i] = x - 1
				g, err := Parse(f.file(out))
				require.True(t, (g == nil) != (err == nil), "input %d is tensor %d", i, x-1)
			}
			in[i] = was
		}
	}
}

// eval runs a graph on the reference paths.
func eval(t *testing.T, g *graph.Graph, in ...tensor.Tensor) []tensor.Tensor {
	t.Helper()
	vals := make([]tensor.Tensor, g.Len())
	for i := range vals {
		n := g.Node(graph.ID(i))
		switch n.Op.Kind() {
		case ops.KindInput:
			vals[i], in = in[0], in[1:]
			require.Equal(t, n.Out.Shape, vals[i].Shape)
			continue
		case ops.KindConstant:
			vals[i] = n.Params[0]
			continue
		}
		var args []tensor.Tensor
		for _, x := range n.In {
			args = append(args, vals[x])
		}
		var err error
		vals[i], err = ops.Run(n.Op, args, n.Params)
		require.NoError(t, err, n.Name)
	}
	var out []tensor.Tensor
	for _, o := range g.Outputs() {
		out = append(out, vals[o.ID])
	}
	return out
}

// iota is a float tensor holding 0, 1, 2, …
func iota(dims ...int) tensor.Tensor {
	x := tensor.New(tensor.F32Spec(dims...))
	for i := range x.F32() {
		x.F32()[i] = float32(i)
	}
	return x
}

// TestOperators imports and runs networks of one operator on 0, 1, 2, …
func TestOperators(t *testing.T) {
	type build func(f *tfile, x int32) (y int32)
	one := func(code int, options fbTable, out []int32, more func(f *tfile) []int32) build {
		return func(f *tfile, x int32) int32 {
			in := []int32{x}
			if more != nil {
				in = append(in, more(f)...)
			}
			y := f.value(typeFloat32, nil, out...)
			f.op(code, options, in, y)
			return y
		}
	}
	ints := func(lists ...[]int32) func(f *tfile) []int32 {
		return func(f *tfile) (in []int32) {
			for _, l := range lists {
				in = append(in, f.ints(l...))
			}
			return in
		}
	}
	for name, c := range map[string]struct {
		in    []int32
		build build
		shape []int
		want  []float32
	}{
		"pad":          {[]int32{1, 2, 1}, one(opPad, nil, []int32{1, 4, 2}, ints([]int32{0, 0, 1, 1, 1, 0})), []int{1, 4, 2}, []float32{0, 0, 0, 0, 0, 1, 0, 0}},
		"mirror pad":   {[]int32{1, 3, 1}, one(opMirrorPad, fbTable{0}, []int32{1, 5, 1}, ints([]int32{0, 0, 2, 0, 0, 0})), []int{1, 5, 1}, []float32{2, 1, 0, 1, 2}},
		"symmetric":    {[]int32{1, 3, 1}, one(opMirrorPad, fbTable{1}, []int32{1, 5, 1}, ints([]int32{0, 0, 2, 0, 0, 0})), []int{1, 5, 1}, []float32{1, 0, 0, 1, 2}},
		"slice":        {[]int32{2, 4}, one(opSlice, nil, []int32{1, 2}, ints([]int32{1, 1}, []int32{-1, 2})), []int{1, 2}, []float32{5, 6}},
		"strided":      {[]int32{2, 6}, one(opStridedSlice, fbTable{0, 0, 0, 0, 0}, []int32{2, 2}, ints([]int32{0, 5}, []int32{2, 0}, []int32{1, -3})), []int{2, 2}, []float32{5, 2, 11, 8}},
		"shrink":       {[]int32{2, 3, 2}, one(opStridedSlice, fbTable{1, 1, 0, 0, 2}, []int32{2, 2}, ints([]int32{0, -1}, []int32{0, 0}, []int32{1, 1})), []int{2, 2}, []float32{4, 5, 10, 11}},
		"new axis":     {[]int32{2, 2}, one(opStridedSlice, fbTable{0, 0, 1, 2, 0}, []int32{2, 2, 1}, ints([]int32{0, 0}, []int32{0, 0}, []int32{1, 1})), []int{2, 2, 1}, []float32{0, 1, 2, 3}},
		"reverse":      {[]int32{1, 4}, one(opStridedSlice, fbTable{3, 3, 0, 0, 0}, []int32{1, 4}, ints([]int32{0, 0}, []int32{0, 0}, []int32{1, -1})), []int{1, 4}, []float32{3, 2, 1, 0}},
		"transpose":    {[]int32{2, 3}, one(opTranspose, nil, []int32{3, 2}, ints([]int32{1, 0})), []int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		"squeeze":      {[]int32{1, 2, 1, 2}, one(opSqueeze, fbTable{[]int32{2}}, []int32{1, 2, 2}, nil), []int{1, 2, 2}, []float32{0, 1, 2, 3}},
		"squeeze all":  {[]int32{1, 2, 1, 2}, one(opSqueeze, fbTable{}, []int32{2, 2}, nil), []int{2, 2}, []float32{0, 1, 2, 3}},
		"expand":       {[]int32{2, 2}, one(opExpandDims, nil, []int32{2, 1, 2}, ints([]int32{-2})), []int{2, 1, 2}, []float32{0, 1, 2, 3}},
		"gather":       {[]int32{2, 3}, one(opGather, fbTable{1}, []int32{2, 2}, ints([]int32{2, 0})), []int{2, 2}, []float32{2, 0, 5, 3}},
		"mean":         {[]int32{1, 2, 2, 2}, one(opMean, fbTable{0}, []int32{1, 2}, ints([]int32{1, 2})), []int{1, 2}, []float32{3, 4}},
		"sum keep":     {[]int32{1, 2, 3}, one(opSum, fbTable{1}, []int32{1, 2, 1}, ints([]int32{-1})), []int{1, 2, 1}, []float32{3, 12}},
		"max":          {[]int32{1, 2, 3}, one(opReduceMax, fbTable{0}, []int32{1, 3}, ints([]int32{1})), []int{1, 3}, []float32{3, 4, 5}},
		"tile":         {[]int32{1, 2}, one(opTile, nil, []int32{2, 4}, ints([]int32{2, 2})), []int{2, 4}, []float32{0, 1, 0, 1, 0, 1, 0, 1}},
		"leaky":        {[]int32{1, 2}, one(opLeakyRelu, fbTable{float32(.5)}, []int32{1, 2}, nil), []int{1, 2}, []float32{0, 1}},
		"neg":          {[]int32{1, 2}, one(opNeg, nil, []int32{1, 2}, nil), []int{1, 2}, []float32{0, -1}},
		"max pool":     {[]int32{1, 3, 3, 1}, one(opMaxPool2d, fbTable{0, 2, 2, 2, 2, 0}, []int32{1, 2, 2, 1}, nil), []int{1, 2, 2, 1}, []float32{4, 5, 7, 8}},
		"avg pool":     {[]int32{1, 3, 3, 1}, one(opAveragePool2d, fbTable{0, 2, 2, 2, 2, 0}, []int32{1, 2, 2, 1}, nil), []int{1, 2, 2, 1}, []float32{2, 3.5, 6.5, 8}},
		"pool relu6":   {[]int32{1, 3, 3, 1}, one(opMaxPool2d, fbTable{1, 1, 1, 2, 2, 3}, []int32{1, 2, 2, 1}, nil), []int{1, 2, 2, 1}, []float32{4, 5, 6, 6}},
		"depth to":     {[]int32{1, 1, 1, 4}, one(opDepthToSpace, fbTable{2}, []int32{1, 2, 2, 1}, nil), []int{1, 2, 2, 1}, []float32{0, 1, 2, 3}},
		"space to":     {[]int32{1, 2, 2, 1}, one(opSpaceToDepth, fbTable{2}, []int32{1, 1, 1, 4}, nil), []int{1, 1, 1, 4}, []float32{0, 1, 2, 3}},
		"nearest":      {[]int32{1, 1, 2, 1}, one(opResizeNearestNeighbor, fbTable{0, 0}, []int32{1, 1, 3, 1}, ints([]int32{1, 3})), []int{1, 1, 3, 1}, []float32{0, 0, 1}},
		"nearest half": {[]int32{1, 1, 4, 1}, one(opResizeNearestNeighbor, fbTable{0, 1}, []int32{1, 1, 2, 1}, ints([]int32{1, 2})), []int{1, 1, 2, 1}, []float32{1, 3}},
		"bilinear":     {[]int32{1, 1, 2, 1}, one(opResizeBilinear, fbTable{0, 0, 0, 0}, []int32{1, 1, 4, 1}, ints([]int32{1, 4})), []int{1, 1, 4, 1}, []float32{0, .5, 1, 1}},
		"bilinear half": {[]int32{1, 1, 2, 1}, one(opResizeBilinear, fbTable{0, 0, 0, 1}, []int32{1, 1, 4, 1}, ints([]int32{1, 4})),
			[]int{1, 1, 4, 1}, []float32{0, .25, .75, 1}},
		"bilinear corners": {[]int32{1, 1, 2, 1}, one(opResizeBilinear, fbTable{0, 0, 1, 0}, []int32{1, 1, 5, 1}, ints([]int32{1, 5})),
			[]int{1, 1, 5, 1}, []float32{0, .25, .5, .75, 1}},
		"pow": {[]int32{1, 3}, one(opPow, nil, []int32{1, 3}, func(f *tfile) []int32 {
			return []int32{f.constant(typeFloat32, f32Bytes(2), nil, 1)}
		}), []int{1, 3}, []float32{0, 1, 4}},
		"sub relu": {[]int32{1, 3}, one(opSub, fbTable{1}, []int32{1, 3}, func(f *tfile) []int32 {
			return []int32{f.constant(typeFloat32, f32Bytes(1), nil, 1)}
		}), []int{1, 3}, []float32{0, 0, 1}},
		"prelu": {[]int32{1, 3}, func(f *tfile, x int32) int32 {
			n, y := f.value(0, nil, 1, 3), f.value(0, nil, 1, 3)
			f.op(opNeg, nil, []int32{x}, n)
			f.op(opPrelu, nil, []int32{n, f.constant(typeFloat32, f32Bytes(1, .5, .25), nil, 3)}, y)
			return y
		}, []int{1, 3}, []float32{0, -.5, -.5}},
		"l2": {[]int32{1, 2}, one(opL2Normalization, fbTable{0}, []int32{1, 2}, nil), []int{1, 2}, []float32{0, 1}},
		"dense": {[]int32{1, 2, 2}, one(opFullyConnected, fbTable{1}, []int32{2, 1}, func(f *tfile) []int32 {
			return []int32{f.constant(typeFloat32, f32Bytes(1, -1), nil, 1, 2), f.constant(typeFloat32, f32Bytes(1.5), nil, 1)}
		}), []int{2, 1}, []float32{.5, .5}},
		"depthwise": {[]int32{1, 1, 2, 2}, one(opDepthwiseConv2d, fbTable{1, 1, 1, 2, 0, 1, 1}, []int32{1, 1, 1, 4}, func(f *tfile) []int32 {
			return []int32{f.constant(typeFloat32, f32Bytes(1, 0, 1, 0, 0, 1, 0, 1), nil, 1, 1, 2, 4), -1}
		}), []int{1, 1, 1, 4}, []float32{0, 2, 1, 3}},
		"transposed": {[]int32{1, 1, 2, 1}, func(f *tfile, x int32) int32 {
			y := f.value(0, nil, 1, 1, 4, 1)
			w := f.constant(typeFloat32, f32Bytes(1, 10, 100), nil, 1, 1, 3, 1)
			f.op(opTransposeConv, fbTable{0, 2, 1}, []int32{f.ints(1, 1, 4, 1), w, x}, y)
			return y
		}, []int{1, 1, 4, 1}, []float32{0, 0, 1, 10}},
		"half weights": {[]int32{1, 2}, func(f *tfile, x int32) int32 {
			h := f.constant(typeFloat16, []byte{0, 0x3c, 0, 0xc0}, nil, 1, 2) // 1, -2
			w, y := f.value(0, nil, 1, 2), f.value(0, nil, 1, 1)
			f.op(opDequantize, nil, []int32{h}, w)
			f.op(opFullyConnected, fbTable{0}, []int32{x, w, -1}, y)
			return y
		}, []int{1, 1}, []float32{-2}},
		"hybrid": {[]int32{1, 2}, one(opFullyConnected, fbTable{0}, []int32{1, 1}, func(f *tfile) []int32 {
			return []int32{f.constant(typeInt8, []byte{2, 0xfe}, fbTable{nil, nil, []float32{.5}, []int64{0}}, 1, 2), -1}
		}), []int{1, 1}, []float32{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFile()
			y := c.build(f, f.input(c.in...))
			dims := make([]int, len(c.in))
			for i, d := range c.in {
				dims[i] = int(d)
			}
			got := eval(t, f.parse(t, y), iota(dims...))[0]
			require.Equal(t, tensor.Of(c.shape...), got.Shape)
			for i, w := range c.want {
				require.InDelta(t, w, got.F32()[i], 1e-5, "%v", got.F32())
			}
			f.miswire(t, y)
			everyByte(t, f.file(y), 0, 0xff)
		})
	}
}

// TestManyOutputs splits and unpacks.
func TestManyOutputs(t *testing.T) {
	f := newFile()
	x := f.input(1, 4, 2)
	a, b := f.value(0, nil, 1, 1, 2), f.value(0, nil, 1, 3, 2)
	f.op(opSplitV, fbTable{2}, []int32{x, f.ints(1, -1), f.ints(1)}, a, b)
	c, d := f.value(0, nil, 1, 2, 2), f.value(0, nil, 1, 2, 2)
	f.op(opSplit, fbTable{2}, []int32{f.ints(1), x}, c, d)
	u, v := f.value(0, nil, 1, 4), f.value(0, nil, 1, 4)
	f.op(opUnpack, fbTable{2, 2}, []int32{x}, u, v)
	p := f.value(0, nil, 1, 4, 2)
	f.op(opPack, fbTable{2, 2}, []int32{u, v}, p)
	out := eval(t, f.parse(t, a, b, c, d, u, v, p), iota(1, 4, 2))
	require.Equal(t, []float32{0, 1}, out[0].F32())
	require.Equal(t, []float32{2, 3, 4, 5, 6, 7}, out[1].F32())
	require.Equal(t, []float32{0, 1, 2, 3}, out[2].F32())
	require.Equal(t, []float32{4, 5, 6, 7}, out[3].F32())
	require.Equal(t, []float32{0, 2, 4, 6}, out[4].F32())
	require.Equal(t, []float32{1, 3, 5, 7}, out[5].F32())
	require.Equal(t, iota(1, 4, 2).F32(), out[6].F32())
}

// TestOpenBatch folds the shape arithmetic that a Keras Flatten leaves, and the
// network then runs at any batch.
func TestOpenBatch(t *testing.T) {
	f := newFile()
	x := f.input(-1, 2, 3)
	shape, first := f.value(typeInt32, nil, 3), f.value(typeInt32, nil)
	f.op(opShape, nil, []int32{x}, shape)
	f.op(opStridedSlice, fbTable{0, 0, 0, 0, 1}, []int32{shape, f.ints(0), f.ints(1), f.ints(1)}, first)
	target, y := f.value(typeInt32, nil, 2), f.value(0, nil, -1, 6)
	f.op(opPack, fbTable{2, 0}, []int32{first, f.constant(typeInt32, tensor.BytesOf([]int32{6}), nil)}, target)
	f.op(opReshape, nil, []int32{x, target}, y)
	g := f.parse(t, y)
	require.Equal(t, 2, g.Len(), "%v", g)
	h, err := g.WithBatch(5)
	require.NoError(t, err)
	out := eval(t, h, iota(5, 2, 3))[0]
	require.Equal(t, tensor.Of(5, 6), out.Shape)
}

// TestQuantised runs float → int8 → a function → float.
func TestQuantised(t *testing.T) {
	q := func(s float32, z int64) fbTable { return fbTable{nil, nil, []float32{s}, []int64{z}} }
	f := newFile()
	x := f.input(1, 5)
	a, b, c, d, y := f.value(typeInt8, q(.1, -3), 1, 5), f.value(typeInt8, q(1./256, -128), 1, 5), f.value(typeInt8, q(1./128, 0), 1, 10),
		f.value(typeInt8, q(1./64, 0), 1, 10), f.value(0, nil, 1, 10)
	f.op(opQuantize, nil, []int32{x}, a)
	f.op(opLogistic, nil, []int32{a}, b)
	f.op(opConcatenation, fbTable{1}, []int32{b, a}, c)
	f.op(opReshape, fbTable{[]int32{1, 10}}, []int32{c}, d) // declared with another scale: rescaled
	f.op(opDequantize, nil, []int32{d}, y)
	got := eval(t, f.parse(t, y), iota(1, 5))[0].F32()
	for i := range 5 {
		require.InDelta(t, 1/(1+math.Exp(-float64(i))), got[i], .02)
		require.InDelta(t, min(float64(i), 127./128), got[5+i], .02)
	}
}
