package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestMatMulInt compares every path of integer products with their definition: types, zero points, transposed operands,
// batches that broadcast.
func TestMatMulInt(t *testing.T) {
	cputest.ForEachPath(t, "gemmi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, c := range []struct{ a, b []int }{
			{[]int{5, 7}, []int{7, 9}}, {[]int{49, 64}, []int{64, 100}}, {[]int{3, 13, 33}, []int{33, 48}}, {[]int{2, 1, 14, 20}, []int{3, 20, 31}},
			{[]int{1, 130}, []int{130, 1}}, {[]int{4, 12, 16}, []int{4, 16, 32}},
		} {
			for bits := range 16 {
				types := [2]tensor.DType{tensor.U8, tensor.U8}
				for i := range types {
					if bits>>i&1 != 0 {
						types[i] = tensor.I8
					}
				}
				a, b := append([]int(nil), c.a...), append([]int(nil), c.b...)
				op := &MatMul{TransA: bits&4 != 0, TransB: bits&8 != 0, Out: QuantOut(types[0], 1.5, zeroFor(r, types[0]))}
				if n := len(a); op.TransA {
					a[n-1], a[n-2] = a[n-2], a[n-1]
				}
				if n := len(b); op.TransB {
					b[n-1], b[n-2] = b[n-2], b[n-1]
				}
				x := randInt8(r, types[0], tensor.Affine(0.05, zeroFor(r, types[0])), a...)
				y := randInt8(r, types[1], tensor.Affine(0.02, zeroFor(r, types[1])), b...)
				if bits&2 != 0 && r.IntN(2) == 0 {
					y.Quant = tensor.Affine(0.02, 0)
				}
				samePaths(t, op, []tensor.Tensor{x, y}, nil)
				samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{y})
			}
		}
	})
}

// TestMatMulIntAllocs: a run allocates nothing.
func TestMatMulIntAllocs(t *testing.T) {
	q := tensor.Affine(0.05, 128)
	r := rand.New(rand.NewPCG(1, 2))
	in := []tensor.Tensor{randInt8(r, tensor.U8, q, 3, 9, 16), randInt8(r, tensor.U8, q, 3, 16, 40)}
	op := &MatMul{Out: QuantOut(tensor.U8, 1, 128)}
	p := &Prep{In: Specs(in), Threads: 1}
	var err error
	p.Out, err = op.Infer(p.In, nil)
	require.NoError(t, err)
	k, err := op.Prepare(p)
	require.NoError(t, err)
	a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(p.Requests().Scratch)}
	require.Zero(t, testing.AllocsPerRun(10, func() { k.Run(a) }))
}

func BenchmarkMatMulInt(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, trans := range []bool{false, true} {
		for _, way := range []string{"f32", "u8", "u8/reference"} {
			b.Run(fmt.Sprintf("transposed=%v/%s", trans, way), func(b *testing.B) {
				x, y := normalTensor(1, 8, 196, 64), normalTensor(2, 8, 64, 196)
				if trans {
					y = normalTensor(2, 8, 196, 64)
				}
				op := &MatMul{TransB: trans}
				if way != "f32" {
					q := tensor.Affine(0.05, 128)
					x, y = randInt8(r, tensor.U8, q, 8, 196, 64), randInt8(r, tensor.U8, q, y.Shape.Dims()...)
					op.Out = QuantOut(tensor.U8, 1, 128)
				}
				in := []tensor.Tensor{x, y}
				p := &Prep{In: Specs(in), Threads: 1, Reference: way == "u8/reference"}
				var err error
				p.Out, err = op.Infer(p.In, nil)
				require.NoError(b, err)
				k, err := op.Prepare(p)
				require.NoError(b, err)
				a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(p.Requests().Scratch)}
				for b.Loop() {
					k.Run(a)
				}
			})
		}
	}
}
