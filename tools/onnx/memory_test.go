package onnx

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
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
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*len(file)+64<<20), "%s: %v", name, err)
	}
}
