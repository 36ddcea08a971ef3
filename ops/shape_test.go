package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// moveTypes are one element type of each size, and quantised bytes.
func moveTypes() []tensor.Spec {
	return []tensor.Spec{{DType: tensor.F32}, {DType: tensor.F16}, {DType: tensor.Bool}, {DType: tensor.I64}, {DType: tensor.U8, Quant: tensor.Affine(0.5, 7)}}
}

// counting is a tensor whose elements all differ where a byte allows it.
func counting(s tensor.Spec, dims ...int) tensor.Tensor {
	s.Shape = tensor.Of(dims...)
	x := tensor.New(s)
	size := s.DType.Size()
	for i := range s.Shape.Elems() {
		x.Data[i*size] = byte(i + 1)
		if size > 1 {
			x.Data[i*size+1] = byte((i + 1) >> 8)
		}
	}
	return x
}

// checkMove runs a data movement over all element sizes and compares with
// source: the place in the input of element i of the result at coordinates at,
// or -1 for nothing there.
func checkMove(t *testing.T, op Op, dims []int, source func(at []int) int) {
	t.Helper()
	for _, s := range moveTypes() {
		x := counting(s, dims...)
		out, err := Run(op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		require.Equal(t, s.DType, out.DType)
		require.True(t, s.Quant.Equal(out.Quant), "quantisation")
		size := s.DType.Size()
		at := make([]int, out.Shape.Rank())
		for i := range out.Shape.Elems() {
			rest := i
			for d := len(at) - 1; d >= 0; d-- {
				at[d] = rest % out.Shape.Dim(d)
				rest /= out.Shape.Dim(d)
			}
			if j := source(at); j >= 0 {
				require.Equal(t, x.Data[j*size:(j+1)*size], out.Data[i*size:(i+1)*size], "%v %+v %v: element %v", op.Kind(), op, s.DType, at)
			}
		}
		checkFast(t, op, []tensor.Tensor{x}, nil, 0)
	}
	if tensor.Of(dims...).Elems() <= 200 {
		checkGradWith(t, op, []tensor.Tensor{normalTensor(9, dims...)}, nil, gradOptions{Step: 0.5})
	}
}

// flat is the place of coordinates in a dense tensor.
func flat(dims []int, at ...int) int {
	i := 0
	for d, n := range dims {
		i = i*n + at[d]
	}
	return i
}

func TestTranspose(t *testing.T) {
	for _, dims := range [][]int{{5}, {3, 4}, {37, 70}, {2, 3, 4}, {2, 7, 5, 3}, {2, 1, 3, 2, 2}, {2, 2, 3, 1, 2, 2}, {1, 19, 23, 33}} {
		rank := len(dims)
		perms := [][]int{nil}
		for shift := range rank {
			p, q := make([]int, rank), make([]int, rank)
			for i := range p {
				p[i] = (i + shift) % rank
				q[i] = (rank + shift - i) % rank
			}
			perms = append(perms, p, q)
		}
		if rank > 2 {
			p := []int{0, 2, 1}
			for i := 3; i < rank; i++ {
				p = append(p, i)
			}
			perms = append(perms, p)
		}
		for _, perm := range perms {
			full := perm
			if full == nil {
				for i := range rank {
					full = append(full, rank-1-i)
				}
			}
			checkMove(t, &Transpose{Perm: perm}, dims, func(at []int) int {
				from := make([]int, rank)
				for i, p := range full {
					from[p] = at[i]
				}
				return flat(dims, from...)
			})
		}
	}
	for _, bad := range [][]int{{0}, {0, 0}, {0, 2}, {-1, 0}, {0, 1, 2}} {
		_, err := (&Transpose{Perm: bad}).Infer([]tensor.Spec{tensor.F32Spec(2, 3)}, nil)
		require.Error(t, err, bad)
	}
	// Weights keep their scales on the dimension that moved.
	q := tensor.Spec{DType: tensor.I8, Shape: tensor.Of(2, 3), Quant: tensor.Quant{Scale: []float32{1, 2}, Zero: []int32{0, 0}, Axis: 0}}
	s, err := (&Transpose{}).Infer([]tensor.Spec{q}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, s.Quant.Axis)
}

func TestSlice(t *testing.T) {
	huge := math.MaxInt
	for _, c := range []struct {
		op   Slice
		dims []int
		want [][]int // indices along each dimension
	}{
		{Slice{Starts: []int{1}, Ends: []int{3}}, []int{5}, [][]int{{1, 2}}},
		{Slice{Starts: []int{-3}, Ends: []int{huge}}, []int{5}, [][]int{{2, 3, 4}}},
		{Slice{Starts: []int{-100}, Ends: []int{-1}}, []int{4}, [][]int{{0, 1, 2}}},
		{Slice{Starts: []int{huge}, Ends: []int{math.MinInt}, Steps: []int{-1}}, []int{4}, [][]int{{3, 2, 1, 0}}},
		{Slice{Starts: []int{-2}, Ends: []int{-100}, Steps: []int{-2}}, []int{6}, [][]int{{4, 2, 0}}},
		{Slice{Starts: []int{3}, Ends: []int{math.MinInt}, Steps: []int{math.MinInt}}, []int{5}, [][]int{{3}}},
		{Slice{Starts: []int{0}, Ends: []int{huge}, Steps: []int{huge}}, []int{5}, [][]int{{0}}},
		{Slice{Starts: []int{0, 1}, Ends: []int{2, 4}, Axes: []int{-1, 0}, Steps: []int{1, 2}}, []int{5, 3, 4}, [][]int{{1, 3}, {0, 1, 2}, {0, 1}}},
		{Slice{Starts: []int{2}, Ends: []int{2}, Axes: []int{1}}, []int{3, 4}, [][]int{{0, 1, 2}, {}}},
		{Slice{Starts: []int{4, 9}, Ends: []int{4, 9}, Axes: []int{1, 2}}, []int{2, 3, 4}, [][]int{{0, 1}, {}, {}}},
	} {
		s, err := c.op.Infer([]tensor.Spec{tensor.F32Spec(c.dims...)}, nil)
		require.NoError(t, err)
		for d, w := range c.want {
			require.Equal(t, len(w), s.Shape.Dim(d), "%+v", c.op)
		}
		checkMove(t, &c.op, c.dims, func(at []int) int {
			from := make([]int, len(at))
			for d, i := range at {
				from[d] = c.want[d][i]
			}
			return flat(c.dims, from...)
		})
	}
	for _, bad := range []Slice{
		{Starts: []int{0}, Ends: []int{1}, Steps: []int{0}}, {Starts: []int{0}}, {Starts: []int{0}, Ends: []int{1}, Axes: []int{2}},
		{Starts: []int{0, 0}, Ends: []int{1, 1}, Axes: []int{1, -1}}, {Starts: []int{0, 0, 0}, Ends: []int{1, 1, 1}},
	} {
		_, err := bad.Infer([]tensor.Spec{tensor.F32Spec(2, 3)}, nil)
		require.Error(t, err, "%+v", bad)
	}
}

func TestConcat(t *testing.T) {
	for _, s := range moveTypes() {
		for axis := -3; axis < 3; axis++ {
			dims := func(n int) []int {
				d := []int{2, 3, 4}
				d[(axis+3)%3] = n
				return d
			}
			var in []tensor.Tensor
			for _, n := range []int{1, 3, 0, 2} {
				in = append(in, counting(s, dims(n)...))
			}
			for _, params := range []int{0, 1} { // the last as a parameter
				cut := len(in) - params
				out, err := Run(&Concat{Axis: axis}, in[:cut], in[cut:])
				require.NoError(t, err)
				require.Equal(t, tensor.Of(dims(6)...), out.Shape)
				require.True(t, s.Quant.Equal(out.Quant))
				checkFast(t, &Concat{Axis: axis}, in[:cut], in[cut:], 0)
				at := 0
				for _, x := range in { // each part is a slice of the whole
					n := x.Shape.Dim(axis)
					part, err := Run(&Slice{Starts: []int{at}, Ends: []int{at + n}, Axes: []int{axis}}, []tensor.Tensor{out}, nil)
					require.NoError(t, err)
					require.Equal(t, x.Data, part.Data)
					at += n
				}
			}
		}
	}
	checkGrad(t, &Concat{Axis: 1}, []tensor.Tensor{normalTensor(1, 2, 3, 2), normalTensor(2, 2, 1, 2)}, nil)
	checkGrad(t, &Concat{Axis: -1}, []tensor.Tensor{normalTensor(1, 2, 3), normalTensor(2, 2, 1)}, nil)
	for _, bad := range [][]tensor.Spec{
		{}, {tensor.F32Spec(2, 3), tensor.F32Spec(2)}, {tensor.F32Spec(2, 3), tensor.F32Spec(3, 3)},
		{tensor.F32Spec(2, 3), {DType: tensor.I32, Shape: tensor.Of(2, 3)}},
	} {
		_, err := (&Concat{Axis: 1}).Infer(bad, nil)
		require.Error(t, err, "%v", bad)
	}
}

// TestPadNothing: extents may be 0 in the middle of the result.
func TestPadNothing(t *testing.T) {
	for _, dims := range [][]int{{2, 0, 3, 4}, {0, 2, 3}, {2, 3, 0}} {
		lo, hi := make([]int, len(dims)), make([]int, len(dims))
		hi[len(dims)-1] = 2 * min(1, dims[len(dims)-1])
		out, err := Run(&Pad{Lo: lo, Hi: hi}, []tensor.Tensor{tensor.New(tensor.F32Spec(dims...))}, nil)
		require.NoError(t, err)
		require.Zero(t, out.Shape.Elems())
	}
}

func TestPad(t *testing.T) {
	source := map[PadMode]string{ // 5 before and 4 after [a b c]
		PadConstant: "-----abc----", PadReflect: "babcbabcbabc", PadEdge: "aaaaaabccccc", PadWrap: "bcabcabcabca", PadSymmetric: "bccbaabccbaa",
	}
	for mode, want := range source {
		x := tensor.FromF32([]float32{1, 2, 3}, 3)
		out, err := Run(&Pad{Lo: []int{5}, Hi: []int{4}, Mode: mode}, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		got := ""
		for _, v := range out.F32() {
			got += string("-abc"[int(v)])
		}
		require.Equal(t, want, got, "mode %d", mode)
	}
	for _, mode := range []PadMode{PadConstant, PadReflect, PadEdge, PadWrap, PadSymmetric} {
		for _, c := range []struct{ dims, lo, hi []int }{
			{[]int{4}, []int{2}, []int{3}},
			{[]int{2, 3, 4}, []int{0, 1, 0}, []int{0, 2, 0}},
			{[]int{2, 3, 4}, []int{1, 1, 2}, []int{1, 2, 1}},
			{[]int{2, 3, 4, 2}, []int{0, -1, 1, 0}, []int{0, 2, -2, 0}},
			{[]int{2, 2, 2, 2, 2, 2}, []int{1, 0, 0, 1, 0, 0}, []int{0, 0, 1, 0, 0, 0}},
			{[]int{3, 2}, []int{0, 0}, []int{0, 0}},
		} {
			op := &Pad{Lo: c.lo, Hi: c.hi, Mode: mode}
			checkMove(t, op, c.dims, func(at []int) int {
				from := make([]int, len(at))
				for d, i := range at {
					if from[d] = op.source(i-c.lo[d], c.dims[d]); from[d] < 0 {
						return -1
					}
				}
				return flat(c.dims, from...)
			})
		}
	}
}

func TestPadValue(t *testing.T) {
	for _, c := range []struct {
		x    tensor.Spec
		want string
	}{
		{tensor.Spec{DType: tensor.F32}, "[2.5 0 2.5]"},
		{tensor.Spec{DType: tensor.I64}, "[2 0 2]"},
		{tensor.Spec{DType: tensor.I32}, "[2 0 2]"},
		{tensor.Spec{DType: tensor.U8, Quant: tensor.Affine(0.5, 7)}, "[12 0 12]"}, // 2.5/0.5 + 7
		{tensor.Spec{DType: tensor.I8, Quant: tensor.Affine(0.01, 7)}, "[127 0 127]"},
	} {
		c.x.Shape = tensor.Of(1)
		out, err := Run(&Pad{Lo: []int{1}, Hi: []int{1}, Value: 2.5}, []tensor.Tensor{tensor.New(c.x)}, nil)
		require.NoError(t, err)
		var got any
		switch c.x.DType {
		case tensor.F32:
			got = out.F32()
		case tensor.I64:
			got = out.I64()
		case tensor.I32:
			got = out.I32()
		default:
			got = out.Data
		}
		require.Equal(t, c.want, fmt.Sprint(got), "%v", c.x.DType)
	}
	for _, bad := range []Pad{{}, {Lo: []int{0, 0}, Hi: []int{0}}, {Lo: []int{-2, -2}, Hi: []int{0, 0}}, {Lo: []int{0, 1}, Hi: []int{0, 0}, Mode: PadReflect}, {Lo: []int{1 << 30, 0}, Hi: []int{0, 0}}} {
		_, err := bad.Infer([]tensor.Spec{tensor.F32Spec(2, 1)}, nil)
		require.Error(t, err, "%+v", bad)
	}
	// A padding of zeros in a quantised tensor is its zero point.
	x := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(1), Quant: tensor.Affine(0.1, -9)})
	out, err := Run(&Pad{Lo: []int{1}, Hi: []int{0}}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	require.EqualValues(t, -9, int8(out.Data[0]))
}

func TestReshape(t *testing.T) {
	for _, c := range []struct {
		op   Reshape
		in   []int
		want []int
	}{
		{Reshape{Dims: []int{0, -1}}, []int{2, 3, 4}, []int{2, 12}},
		{Reshape{Dims: []int{0, -1}}, []int{7, 3, 4}, []int{7, 12}}, // another batch
		{Reshape{Dims: []int{-1}}, []int{2, 3}, []int{6}},
		{Reshape{Dims: []int{}}, []int{1, 1}, []int{}},
		{Reshape{Dims: []int{3, 0, 2}}, []int{2, 3}, nil},
		{Reshape{Dims: []int{0, 3}, AllowZero: true}, []int{0, 5}, []int{0, 3}},
		{Reshape{Dims: []int{0, -1}, AllowZero: true}, []int{0, 5}, nil},
		{Reshape{Dims: []int{-1, -1}}, []int{2, 3}, nil},
		{Reshape{Dims: []int{4, -1}}, []int{2, 3}, nil},
		{Reshape{Dims: []int{5}}, []int{2, 3}, nil},
		{Reshape{Dims: []int{0, 0, 0}}, []int{2, 3}, nil},
		{Reshape{Dims: []int{-2}}, []int{2}, nil},
		{Reshape{Dims: []int{1 << 29, 1 << 29, 1 << 29}}, []int{2}, nil},
	} {
		s, err := c.op.Infer([]tensor.Spec{tensor.F32Spec(c.in...)}, nil)
		if c.want == nil {
			require.Error(t, err, "%+v", c.op)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tensor.Of(c.want...), s.Shape)
	}
	for _, op := range []Op{&Reshape{Dims: []int{0, -1}}, &Identity{}} {
		for _, s := range moveTypes() {
			x := counting(s, 2, 3, 4)
			out, err := Run(op, []tensor.Tensor{x}, nil)
			require.NoError(t, err)
			require.Equal(t, x.Data, out.Data)
			out, err = Run(op, nil, []tensor.Tensor{x}) // of a parameter: a copy
			require.NoError(t, err)
			require.Equal(t, x.Data, out.Data)
		}
		checkGrad(t, op, []tensor.Tensor{normalTensor(1, 2, 3, 4)}, nil)
	}
}

func TestExpandTile(t *testing.T) {
	in := []int{1, 3, 1, 2}
	checkMove(t, &Expand{Dims: []int{2, 4, 1, 5, 1}}, in, func(at []int) int { return flat(in, 0, at[2], 0, at[4]) })
	checkMove(t, &Expand{Dims: []int{3}}, []int{1}, func([]int) int { return 0 })
	_, err := (&Expand{Dims: []int{2}}).Infer([]tensor.Spec{tensor.F32Spec(3)}, nil)
	require.Error(t, err)

	dims := []int{2, 1, 3}
	checkMove(t, &Tile{Repeats: []int{2, 3, 2}}, dims, func(at []int) int { return flat(dims, at[0]%2, 0, at[2]%3) })
	checkMove(t, &Tile{Repeats: []int{1, 4, 1}}, dims, func(at []int) int { return flat(dims, at[0], 0, at[2]) })
	checkMove(t, &Tile{Repeats: []int{1, 0, 1}}, dims, func([]int) int { return -1 })
	for _, bad := range [][]int{nil, {1, 1}, {1, 1, -1}, {1 << 24, 1 << 24, 1 << 24}} {
		_, err := (&Tile{Repeats: bad}).Infer([]tensor.Spec{tensor.F32Spec(2, 1, 3)}, nil)
		require.Error(t, err, bad)
	}
}

func TestDepthSpace(t *testing.T) {
	in := []int{2, 2, 3, 8}
	for _, crd := range []bool{false, true} {
		checkMove(t, &DepthToSpace{Block: 2, CRD: crd}, in, func(at []int) int {
			bh, bw := at[1]%2, at[2]%2
			c := (bh*2+bw)*2 + at[3]
			if crd {
				c = at[3]*4 + bh*2 + bw
			}
			return flat(in, at[0], at[1]/2, at[2]/2, c)
		})
	}
	wide := []int{2, 4, 6, 3}
	checkMove(t, &SpaceToDepth{Block: 2}, wide, func(at []int) int {
		b := at[3] / 3
		return flat(wide, at[0], at[1]*2+b/2, at[2]*2+b%2, at[3]%3)
	})
	x := counting(tensor.Spec{DType: tensor.F32}, wide...)
	deep, err := Run(&SpaceToDepth{Block: 2}, []tensor.Tensor{x}, nil)
	require.NoError(t, err)
	back, err := Run(&DepthToSpace{Block: 2}, []tensor.Tensor{deep}, nil)
	require.NoError(t, err)
	require.Equal(t, x.Data, back.Data)
	for _, op := range []Op{&DepthToSpace{Block: 3}, &DepthToSpace{}, &SpaceToDepth{Block: 4}, &SpaceToDepth{Block: -2}} {
		_, err := op.Infer([]tensor.Spec{tensor.F32Spec(1, 6, 6, 8)}, nil)
		require.Error(t, err, "%+v", op)
	}
}
