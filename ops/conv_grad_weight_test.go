package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

type dims = []int

// convGradCases are lines and images that chunks and parts do not divide, kernels
// wider than the input, edges of both sides and of one, groups, gaps between
// taps, three dimensions.
var convGradCases = []struct {
	n                                    int
	in, kernel, stride, dilation, lo, hi dims
	ic, oc, groups                       int
}{
	{3, dims{14, 13}, dims{3, 3}, dims{1, 1}, dims{1, 1}, dims{1, 1}, dims{1, 1}, 3, 16, 1},
	{3, dims{14, 13}, dims{7, 7}, dims{2, 2}, dims{1, 1}, dims{3, 3}, dims{2, 3}, 3, 13, 1},
	{3, dims{14, 13}, dims{5, 5}, dims{1, 1}, dims{2, 2}, dims{4, 4}, dims{4, 4}, 1, 8, 1},
	{3, dims{14, 13}, dims{3, 3}, dims{2, 2}, dims{1, 1}, dims{0, 0}, dims{1, 1}, 8, 6, 1},
	{3, dims{14, 13}, dims{3, 3}, dims{1, 1}, dims{1, 1}, dims{1, 1}, dims{1, 1}, 6, 8, 2},
	{3, dims{14, 13}, dims{1, 1}, dims{1, 1}, dims{1, 1}, dims{0, 0}, dims{0, 0}, 5, 3, 1},
	{5, dims{32, 32}, dims{3, 3}, dims{2, 2}, dims{1, 1}, dims{0, 0}, dims{1, 1}, 16, 32, 1},
	{9, dims{7, 5}, dims{3, 3}, dims{2, 2}, dims{1, 1}, dims{1, 1}, dims{1, 1}, 33, 70, 1},
	{2, dims{3, 2}, dims{5, 7}, dims{1, 1}, dims{1, 1}, dims{2, 5}, dims{2, 4}, 17, 9, 1},
	{2, dims{80, 75}, dims{2, 3}, dims{1, 3}, dims{2, 1}, dims{0, 2}, dims{1, 0}, 12, 40, 1},
	{2, dims{4, 6, 5}, dims{2, 3, 3}, dims{1, 2, 1}, dims{1, 1, 1}, dims{0, 1, 1}, dims{1, 0, 2}, 10, 11, 1},
	{2, dims{700}, dims{5}, dims{2}, dims{1}, dims{3}, dims{1}, 16, 20, 1},
	{4, dims{9, 8}, dims{3, 3}, dims{2, 2}, dims{1, 1}, dims{1, 1}, dims{1, 1}, 24, 36, 3},
	{2, dims{1, 2}, dims{3, 3}, dims{1, 1}, dims{1, 1}, dims{1, 1}, dims{1, 1}, 13, 14, 1},
	{1, dims{1, 1}, dims{3, 5}, dims{2, 2}, dims{1, 1}, dims{1, 2}, dims{1, 2}, 7, 9, 1},
}

// TestConvGradWeight checks both forms of the weights' gradient against the
// definition, on one and more threads with the same bits.
func TestConvGradWeight(t *testing.T) {
	for _, c := range convGradCases {
		op := &Conv{Groups: c.groups, Window: Window{Stride: c.stride, Dilation: c.dilation, PadLo: c.lo, PadHi: c.hi}}
		x := normalTensor(5, append(append([]int{c.n}, c.in...), c.ic)...)
		w := normalTensor(6, append(append([]int{c.oc}, c.kernel...), c.ic/c.groups)...)
		out, err := op.Infer([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
		require.NoError(t, err)
		s, _, err := op.resolve([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
		require.NoError(t, err)
		k := &convGrad{convSpec: s}
		d := normalTensor(7, out.Shape.Dims()...)
		run := func(f GradKernel, scratch, threads int) []float32 {
			pl := pool.New(threads)
			defer pl.Close()
			g := &Grads{In: []tensor.Tensor{x}, DOut: d, DParams: []tensor.Tensor{tensor.New(w.Spec)}, Scratch: dirty(scratch), Pool: pl}
			f.Run(g)
			return g.DParams[0].F32()
		}
		want := run(&convGradWeightPlain{k}, 0, 1)
		for _, form := range []struct {
			name  string
			new   func(*GradPrep, *convGrad) GradKernel
			limit int
		}{
			{"few", func(p *GradPrep, k *convGrad) GradKernel { return newConvGradWeightFew(p, k) }, fewChannels},
			{"taps", func(p *GradPrep, k *convGrad) GradKernel { return newConvGradWeight(p, k) }, 1 << 10},
		} {
			if s.icg > form.limit {
				continue
			}
			var one []float32
			for threads := 1; threads <= 3; threads++ {
				p := &GradPrep{Threads: threads}
				got := run(form.new(p, k), p.ScratchSize(), threads)
				if threads == 1 {
					one = got
					require.Less(t, relative(got, want), 2e-6, fmt.Sprint(form.name, c))
				}
				require.Equal(t, one, got, fmt.Sprint(form.name, c, threads))
			}
		}
	}
}

// TestConvGradInStrided checks the gradient of the input that products are
// scattered to, set and added to, in bands and whole, with the same bits.
func TestConvGradInStrided(t *testing.T) {
	tried := 0
	for _, c := range convGradCases {
		op := &Conv{Groups: c.groups, Window: Window{Stride: c.stride, Dilation: c.dilation, PadLo: c.lo, PadHi: c.hi}}
		x := normalTensor(5, append(append([]int{c.n}, c.in...), c.ic)...)
		w := normalTensor(6, append(append([]int{c.oc}, c.kernel...), c.ic/c.groups)...)
		out, err := op.Infer([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
		require.NoError(t, err)
		s, _, err := op.resolve([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
		require.NoError(t, err)
		if !s.strided() {
			continue
		}
		tried++
		k := &convGrad{convSpec: s}
		d := normalTensor(7, out.Shape.Dims()...)
		run := func(f GradKernel, scratch, threads int, start float32) []float32 {
			pl := pool.New(threads)
			defer pl.Close()
			g := &Grads{In: []tensor.Tensor{x}, Params: []tensor.Tensor{w}, DOut: d, DIn: []tensor.Tensor{tensor.New(x.Spec)}, Scratch: dirty(scratch), Pool: pl}
			for i := range g.DIn[0].F32() {
				g.DIn[0].F32()[i] = start
			}
			f.Run(g)
			return g.DIn[0].F32()
		}
		for _, sets := range []bool{false, true} {
			want := run(&convGradInPlain{k}, 0, 1, 0.5)
			if sets {
				want = run(&convGradInPlain{k}, 0, 1, 0)
			}
			var one []float32
			for threads := 1; threads <= 3; threads++ {
				p := &GradPrep{Threads: threads, Fresh: []bool{sets}, Sole: []bool{sets}}
				f := newConvGradInStrided(p, k)
				require.Equal(t, sets, f.sets)
				got := run(f, p.ScratchSize(), threads, 0.5)
				if threads == 1 {
					one = got
					require.Less(t, relative(got, want), 1e-6, fmt.Sprint(c, sets))
				}
				require.Equal(t, one, got, fmt.Sprint(c, sets, threads))
			}
		}
	}
	require.GreaterOrEqual(t, tried, 5)
}
