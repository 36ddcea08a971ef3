package tflite

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// phasesFile is a convolution of 3x3 between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND of
// an image of 7x6.
func phasesFile(depthwise, same bool, stride int, pads, crops []int32) (*tfile, int32) {
	f := newFile()
	x := f.input(1, 7, 6, 2)
	block := f.ints(2, 3)
	s, c, y := f.value(0, nil, 6, 4, 3, 2), f.value(0, nil, 6, 2, 1, 2), f.value(0, nil, 1, 7, 6, 2)
	f.op(opSpaceToBatchNd, nil, []int32{x, block, f.constant(typeInt32, tensor.BytesOf(pads), nil, 2, 2)}, s)
	w := make([]float32, 36)
	for i := range w {
		w[i] = float32(i*7%11) - 5
	}
	mode := 1
	if same {
		mode = 0
	}
	if depthwise {
		f.op(opDepthwiseConv2d, fbTable{mode, stride, stride, 1, 1}, []int32{s, f.constant(typeFloat32, f32Bytes(w[:18]...), nil, 1, 3, 3, 2), -1}, c)
	} else {
		f.op(opConv2d, fbTable{mode, stride, stride, 1}, []int32{s, f.constant(typeFloat32, f32Bytes(w...), nil, 2, 3, 3, 2), -1}, c)
	}
	f.op(opBatchToSpaceNd, nil, []int32{c, block, f.constant(typeInt32, tensor.BytesOf(crops), nil, 2, 2)}, y)
	return f, y
}

// byPhases is what the three operators say, step by step.
func byPhases(t *testing.T, g *graph.Graph, same bool, pads, crops []int32, x tensor.Tensor) tensor.Tensor {
	bh, bw := 2, 3
	pad := &ops.Pad{Mode: ops.PadConstant, Lo: []int{0, int(pads[0]), int(pads[2]), 0}, Hi: []int{0, int(pads[1]), int(pads[3]), 0}}
	run := func(op ops.Op, x tensor.Tensor, params ...tensor.Tensor) tensor.Tensor {
		y, err := ops.Run(op, []tensor.Tensor{x}, params)
		require.NoError(t, err)
		return y
	}
	var params []tensor.Tensor
	conv := ops.Conv{}
	for i := range g.Len() {
		if c, ok := g.Node(graph.ID(i)).Op.(*ops.Conv); ok {
			params, conv.Groups = g.Node(graph.ID(i)).Params, c.Groups
		}
	}
	conv.Auto, conv.Act = ops.PadValid, ops.Relu
	if same {
		conv.Auto = ops.PadSameUpper
	}
	x = run(pad, x)
	var out tensor.Tensor
	for i := range bh {
		for j := range bw {
			phase := run(&ops.Slice{Axes: []int{1, 2}, Starts: []int{i, j}, Ends: []int{1 << 20, 1 << 20}, Steps: []int{bh, bw}}, x)
			y := run(&conv, phase, params...)
			h, w := y.Shape.Dim(1), y.Shape.Dim(2)
			if out.IsZero() {
				out = tensor.New(tensor.F32Spec(1, h*bh, w*bw, 2))
			}
			for k, v := range y.F32() {
				ch, px, py := k%2, k/2%w, k/2/w
				out.F32()[((py*bh+i)*w*bw+px*bw+j)*2+ch] = v
			}
		}
	}
	return run(&ops.Slice{Axes: []int{1, 2}, Starts: []int{int(crops[0]), int(crops[2])},
		Ends: []int{out.Shape.Dim(1) - int(crops[1]), out.Shape.Dim(2) - int(crops[3])}}, out)
}

// TestPhases: one convolution gives what the three operators say.
func TestPhases(t *testing.T) {
	for _, depthwise := range []bool{false, true} {
		for _, c := range []struct {
			same        bool
			pads, crops []int32
		}{
			{false, []int32{2, 3, 3, 6}, []int32{0, 1, 0, 3}},
			{false, []int32{2, 3, 3, 6}, []int32{1, 0, 2, 1}},
			{false, []int32{0, 1, 0, 3}, []int32{1, 2, 0, 0}}, // cropped more than padded
			{true, []int32{0, 1, 0, 0}, []int32{0, 1, 0, 0}},
		} {
			t.Run(fmt.Sprint(depthwise, c), func(t *testing.T) {
				f, y := phasesFile(depthwise, c.same, 1, c.pads, c.crops)
				g := f.parse(t, y)
				x := iota(1, 7, 6, 2)
				want := byPhases(t, g, c.same, c.pads, c.crops, x)
				got := eval(t, g, x)[0]
				require.Equal(t, want.Shape, got.Shape)
				require.InDeltaSlice(t, want.F32(), got.F32(), 1e-3)
				f.miswire(t, y)
			})
		}
	}
	f, y := phasesFile(false, false, 2, []int32{2, 3, 3, 6}, []int32{0, 1, 0, 3})
	_, err := Parse(f.file(y))
	require.ErrorContains(t, err, "stride 2 between")
	f, y = phasesFile(false, false, 1, []int32{2, 2, 3, 6}, []int32{0, 1, 0, 3})
	_, err = Parse(f.file(y))
	require.ErrorContains(t, err, "11 padded elements in blocks of 2")

	f = newFile()
	x := f.input(1, 4, 4, 1)
	s, r, b := f.value(0, nil, 4, 2, 2, 1), f.value(0, nil, 4, 2, 2, 1), f.value(0, nil, 1, 4, 4, 1)
	none := f.constant(typeInt32, tensor.BytesOf([]int32{0, 0, 0, 0}), nil, 2, 2)
	f.op(opSpaceToBatchNd, nil, []int32{x, f.ints(2, 2), none}, s)
	f.op(opRelu, nil, []int32{s}, r)
	f.op(opBatchToSpaceNd, nil, []int32{r, f.ints(2, 2), none}, b)
	_, err = Parse(f.file(b))
	require.ErrorContains(t, err, "only one convolution may")
}
