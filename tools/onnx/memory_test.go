package onnx

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestHostileMemory: small files that ask for much. All that is ever allocated
// counts, so the peak is less.
func TestHostileMemory(t *testing.T) {
	shape := func(b *builder, dims ...int) string { return b.w.ints("shape", dims) }
	for name, build := range map[string]func(b *builder){
		"one large constant": func(b *builder) {
			b.node("ConstantOfShape", []string{shape(b, 1<<15, 1<<15)}, []string{"y"}, nil)
		},
		"many constants": func(b *builder) {
			s := shape(b, 1<<10, 1<<12)
			for i := range 100 {
				b.node("ConstantOfShape", []string{s}, []string{fmt.Sprint("c", i)}, nil)
			}
			b.node("Add", []string{"x", "c99"}, []string{"y"}, nil)
		},
		"doubling": func(b *builder) {
			b.node("ConstantOfShape", []string{shape(b, 1)}, []string{"c0"}, nil)
			for i := range 40 {
				b.node("Concat", []string{fmt.Sprint("c", i), fmt.Sprint("c", i)}, []string{fmt.Sprint("c", i+1)}, func(a *attrs) { a.int("axis", 0) })
			}
			b.node("Add", []string{"x", "c40"}, []string{"y"}, nil)
		},
		"expanding": func(b *builder) {
			b.node("Expand", []string{"x", shape(b, 1<<13, 1<<13)}, []string{"e"}, nil)
			b.node("MatMul", []string{"e", "e"}, []string{"y"}, nil)
		},
		"range": func(b *builder) {
			lo, hi, step := b.w.scalar("lo", 0), b.w.scalar("hi", 1e9), b.w.scalar("step", 1)
			b.node("Range", []string{lo, hi, step}, []string{"y"}, nil)
		},
		"many ranges": func(b *builder) {
			lo, hi, step := b.w.scalar("lo", 0), b.w.scalar("hi", 2e6), b.w.scalar("step", 1)
			for i := range 100 {
				b.node("Range", []string{lo, hi, step}, []string{fmt.Sprint("r", i)}, nil)
			}
		},
		"many masks": func(b *builder) {
			b.node("Expand", []string{"x", shape(b, 1<<11, 1<<13)}, []string{"e"}, nil)
			for i := range 100 {
				b.node("Dropout", []string{"e"}, []string{"", fmt.Sprint("m", i)}, nil)
			}
		},
		"triangles": func(b *builder) {
			b.node("Expand", []string{"x", shape(b, 1<<11, 1<<13)}, []string{"e"}, nil)
			for i := range 100 {
				b.node("Trilu", []string{"e"}, []string{fmt.Sprint("t", i)}, nil)
			}
		},
		"where it is not zero": func(b *builder) {
			b.node("ConstantOfShape", []string{shape(b, 1, 1, 1, 1, 1, 1<<21)}, []string{"zeros"}, nil)
			b.node("Add", []string{"zeros", b.w.scalar("one", 1)}, []string{"ones"}, nil)
			for i := range 20 {
				b.node("NonZero", []string{"ones"}, []string{fmt.Sprint("n", i)}, nil)
			}
		},
		"seeded masks": func(b *builder) {
			b.node("Expand", []string{"x", shape(b, 1<<10, 1<<11)}, []string{"e"}, nil)
			on := b.w.constant("on", tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool}, Data: []byte{1}})
			for i := range 20 {
				b.node("Dropout", []string{"e", "", on}, []string{"", fmt.Sprint("m", i)}, func(a *attrs) { a.int("seed", i) })
			}
		},
		"groups of channels": func(b *builder) {
			b.node("Expand", []string{"x", shape(b, 1, 1<<25, 1)}, []string{"e"}, nil)
			b.node("Reshape", []string{"e", shape(b, 1, 1<<25, 1, 1)}, []string{"r"}, nil)
			s := b.w.floats("s", 1)
			b.node("GroupNormalization", []string{"r", s, s}, []string{"y"}, func(a *attrs) { a.int("num_groups", 1) })
		},
		"bias of no weights": func(b *builder) {
			b.node("Expand", []string{"x", shape(b, 1, 1)}, []string{"e"}, nil)
			b.node("Slice", []string{"e", shape(b, 0), shape(b, 0), shape(b, 1)}, []string{"none"}, nil)
			w := b.w.constant("w", tensor.New(tensor.F32Spec(0, 1<<25)))
			b.node("Gemm", []string{"none", w, b.w.scalar("bias", 1)}, []string{"y"}, nil)
		},
		"the same weights": func(b *builder) {
			w := b.w.constant("w", tensor.New(tensor.F32Spec(1, 1<<18)))
			for i := range 200 {
				b.node("MatMul", []string{"x", w}, []string{fmt.Sprint("m", i)}, nil)
			}
		},
		"many nodes": func(b *builder) {
			for i := range 1 << 12 {
				in := fmt.Sprint("r", i)
				if i == 0 {
					in = "x"
				}
				b.node("Relu", []string{in}, []string{fmt.Sprint("r", i+1)}, nil)
			}
			b.node("Relu", []string{fmt.Sprint("r", 1<<12)}, []string{"y"}, nil)
		},
	} {
		b := newModel(17).input("x", 1, 1).output("y")
		build(b)
		file := b.bytes()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ImportBytes(file)
		runtime.ReadMemStats(&after)
		limit := uint64(2*len(file) + 64<<20)
		if name == "the same weights" {
			limit += uint64(8 * len(file)) // copies of them
		}
		require.Less(t, after.TotalAlloc-before.TotalAlloc, limit, "%s: %v", name, err)
	}
}
