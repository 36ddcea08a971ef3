package onnx

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// ramp is n floats, none of them 0.
func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%97) + 0.5
	}
	return v
}

// batchOf adds the batch of x as a list of one.
func batchOf(b *builder) {
	b.node("Shape", []string{"x"}, []string{"s"}, nil)
	b.node("Slice", []string{"s", b.w.ints("zero", []int{0}), b.w.ints("one", []int{1})}, []string{"n"}, nil)
}

// TestRepeated: a constant that is grown to the open batch and joined with what
// comes in, as class tokens and planes of coordinates are. Small ones are
// constants while the graph is built, large ones never are. Numbers of the
// input play no part, whatever they are.
func TestRepeated(t *testing.T) {
	for _, size := range []int{3, 700} {
		row := ramp(2 * size)
		for name, grow := range map[string]func(b *builder, token string){
			"Expand": func(b *builder, token string) {
				b.node("Concat", []string{"n", b.w.ints("rest", []int{2, size})}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
				b.node("Expand", []string{token, "to"}, []string{"grown"}, nil)
			},
			"Tile": func(b *builder, token string) {
				b.node("Concat", []string{"n", b.w.ints("rest", []int{1, 1})}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
				b.node("Tile", []string{token, "to"}, []string{"grown"}, nil)
			},
			"ConstantOfShape": func(b *builder, token string) {
				b.node("Concat", []string{"n", b.w.ints("rest", []int{2, size})}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
				b.node("ConstantOfShape", []string{"to"}, []string{"zeros"}, nil)
				b.node("Add", []string{"zeros", token}, []string{"grown"}, nil)
			},
		} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				b := newModel(17).input("x", -1, 1, size).output("y").output("sum").output("plain")
				batchOf(b)
				grow(b, b.w.constant("token", tensor.FromF32(row, 1, 2, size)))
				b.node("Concat", []string{"grown", "x"}, []string{"y"}, func(a *attrs) { a.int("axis", 1) })
				b.node("Mul", []string{"grown", "x"}, []string{"sum"}, nil)
				b.node("Identity", []string{"grown"}, []string{"plain"}, nil)
				g, err := ImportBytes(b.bytes())
				require.NoError(t, err)
				require.True(t, g.Batched())
				for _, n := range []int{1, 3} {
					h, err := g.WithBatch(n)
					require.NoError(t, err)
					x := ramp(n * size)
					x[0] = float32(math.NaN())
					x[1] = float32(math.Inf(1))
					got := eval(t, h, tensor.FromF32(x, n, 1, size))
					require.Equal(t, tensor.Of(n, 3, size), got[0].Shape)
					require.Equal(t, tensor.Of(n, 2, size), got[2].Shape)
					for i := range n {
						require.Equal(t, row, got[0].F32()[3*i*size:][:2*size])
						require.Equal(t, row, got[2].F32()[2*i*size:][:2*size])
					}
					require.Equal(t, row[2]*x[2], got[1].F32()[2])
				}
			})
		}
	}
}

// TestRepeatedLater: the batch need not be the first axis.
func TestRepeatedLater(t *testing.T) {
	b := newModel(17).input("x", -1, 4).output("y")
	batchOf(b)
	b.node("Concat", []string{b.w.ints("two", []int{2}), "n", b.w.ints("four", []int{4})}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
	b.node("Expand", []string{b.w.constant("q", tensor.FromF32(ramp(8), 2, 1, 4)), "to"}, []string{"grown"}, nil)
	b.node("Unsqueeze", []string{"x", b.w.ints("axes", []int{0})}, []string{"x3"}, nil)
	b.node("Concat", []string{"grown", "x3"}, []string{"y"}, func(a *attrs) { a.int("axis", 0) })
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	h, err := g.WithBatch(2)
	require.NoError(t, err)
	y := eval(t, h, tensor.FromF32(ramp(8), 2, 4))[0]
	r := ramp(8)
	require.Equal(t, append(append(append(append(append([]float32{}, r[:4]...), r[:4]...), r[4:]...), r[4:]...), r...), y.F32())
}

// TestRepeatedTimes: rows of every picture of the batch in one axis.
func TestRepeatedTimes(t *testing.T) {
	b := newModel(17).input("x", -1, 3, 4).output("y")
	batchOf(b)
	b.node("Concat", []string{"n", b.w.ints("rest", []int{3, 4})}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
	b.node("Expand", []string{b.w.constant("q", tensor.FromF32(ramp(12), 1, 3, 4)), "to"}, []string{"grown"}, nil)
	b.node("Reshape", []string{"grown", b.w.ints("flat", []int{-1, 4})}, []string{"rows"}, nil)
	b.node("Reshape", []string{"x", "flat"}, []string{"xs"}, nil)
	b.node("Concat", []string{"rows", "xs"}, []string{"both"}, func(a *attrs) { a.int("axis", 1) })
	b.node("Add", []string{"rows", "xs"}, []string{"sum"}, nil)
	b.node("Concat", []string{"both", "sum"}, []string{"y"}, func(a *attrs) { a.int("axis", 1) })
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	h, err := g.WithBatch(2)
	require.NoError(t, err)
	x, r := ramp(24), ramp(12)
	y := eval(t, h, tensor.FromF32(x, 2, 3, 4))[0]
	require.Equal(t, tensor.Of(6, 12), y.Shape)
	for i, v := range y.F32() {
		row, col := i/12, i%12
		k := 4*row + col%4
		require.Equal(t, []float32{r[k%12], x[k], r[k%12] + x[k]}[col/4], v)
	}
}

// TestTrilu keeps triangles of constants and of what comes in, infinities too.
func TestTrilu(t *testing.T) {
	inf := float32(math.Inf(-1))
	for _, c := range []struct {
		upper bool
		k     string
		want  []float32
	}{
		{true, "", []float32{1, inf, 3, 0, 5, 6}}, {false, "", []float32{1, 0, 0, 4, 5, 0}}, {true, "1", []float32{0, inf, 3, 0, 0, 6}}, {false, "1", []float32{1, inf, 0, 4, 5, 6}},
	} {
		b := newModel(14).input("x", -1, 2, 3).output("y").output("z")
		in := []string{b.w.constant("m", tensor.FromF32([]float32{1, inf, 3, 4, 5, 6}, 2, 3))}
		if c.k != "" {
			in = append(in, b.w.constant("k", tensor.FromI64([]int64{1})))
		}
		b.node("Trilu", in, []string{"m3"}, func(a *attrs) { a.int("upper", int(b2u(c.upper))) })
		in[0] = "x"
		b.node("Trilu", in, []string{"z"}, func(a *attrs) { a.int("upper", int(b2u(c.upper))) })
		b.node("Where", []string{b.w.constant("yes", tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(1)}, Data: []byte{1}}), "m3", "x"}, []string{"y"}, nil)
		g, err := ImportBytes(b.bytes())
		require.NoError(t, err)
		out := eval(t, g, tensor.FromF32([]float32{1, inf, 3, 4, 5, 6}, 1, 2, 3))
		require.Equal(t, c.want, out[0].F32())
		require.Equal(t, c.want, out[1].F32())
	}
}

// TestNotRepeated: what differs from row to row of the batch, or says how large
// it is, is no row said again.
func TestNotRepeated(t *testing.T) {
	for name, f := range map[string]func(b *builder){
		"range": func(b *builder) {
			b.node("Squeeze", []string{"n"}, []string{"count"}, nil)
			b.node("Range", []string{b.w.constant("lo", tensor.FromI64([]int64{0})), "count", b.w.constant("step", tensor.FromI64([]int64{1}))}, []string{"r"}, nil)
			b.node("Cast", []string{"r"}, []string{"f"}, func(a *attrs) { a.int("to", typeFloat) })
			b.node("Unsqueeze", []string{"f", b.w.ints("axes", []int{1})}, []string{"g"}, nil)
		},
		"size": func(b *builder) {
			b.node("Cast", []string{"n"}, []string{"f"}, func(a *attrs) { a.int("to", typeFloat) })
			b.node("Concat", []string{"n", b.w.ints("rest", []int{1})}, []string{"to"}, func(a *attrs) { a.int("axis", 0) })
			b.node("Expand", []string{"f", "to"}, []string{"g"}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newModel(17).input("x", -1, 4).output("y")
			batchOf(b)
			f(b)
			b.node("Concat", []string{"g", "x"}, []string{"y"}, func(a *attrs) { a.int("axis", 1) })
			_, err := ImportBytes(b.bytes())
			var ue *UnsupportedError
			require.ErrorAs(t, err, &ue)
			require.ErrorContains(t, err, "--batch")
			_, err = ImportBytes(b.bytes(), WithBatch(2))
			require.NoError(t, err)
		})
	}
}

// TestNoSuchShape: an open batch is called N, not by the number that stands for
// it.
func TestNoSuchShape(t *testing.T) {
	b := newModel(17).input("x", -1, 6).output("y")
	b.node("Reshape", []string{"x", b.w.ints("to", []int{-1, 4, 6})}, []string{"y"}, nil)
	_, err := ImportBytes(b.bytes())
	require.ErrorContains(t, err, "shape [-1 4 6] does not hold for any batch")
	require.ErrorContains(t, err, "--batch")
	require.NotContains(t, err.Error(), "1009")
	_, err = ImportBytes(b.bytes(), WithBatch(8))
	require.NoError(t, err)
}

// TestNonZero lists where constants are not zero; where the numbers are only
// known later there is no shape to give.
func TestNonZero(t *testing.T) {
	b := newModel(10).input("x", -1, 4).output("y")
	k := b.w.constant("k", tensor.FromF32([]float32{0, 3, float32(math.Copysign(0, -1)), -1, 0, 5}, 2, 3))
	b.node("NonZero", []string{k}, []string{"at"}, nil)
	b.node("Cast", []string{"at"}, []string{"f"}, func(a *attrs) { a.int("to", typeFloat) })
	b.node("Reshape", []string{"f", b.w.ints("to", []int{1, 6})}, []string{"row"}, nil)
	b.node("Gemm", []string{"x", b.w.constant("w", tensor.New(tensor.F32Spec(4, 6))), "row"}, []string{"y"}, nil)
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	require.Equal(t, []float32{0, 1, 1, 1, 0, 2}, eval(t, g, tensor.FromF32(ramp(4), 1, 4))[0].F32())

	b = newModel(10).input("x", -1, 4).output("y")
	b.node("NonZero", []string{"x"}, []string{"y"}, nil)
	_, err = ImportBytes(b.bytes())
	require.ErrorContains(t, err, "is not a constant")
	b = newModel(10).input("x", -1, 4).output("y")
	batchOf(b)
	b.node("ConstantOfShape", []string{"n"}, []string{"ones"}, nil)
	b.node("NonZero", []string{"ones"}, []string{"y"}, nil)
	_, err = ImportBytes(b.bytes())
	require.ErrorContains(t, err, "--batch")
}
