package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/kern"
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
	{5, dims{15, 14}, dims{3, 3}, dims{2, 1}, dims{1, 1}, dims{1, 1}, dims{1, 1}, 33, 70, 1},
	{2, dims{3, 9, 40}, dims{3, 1, 5}, dims{1, 2, 2}, dims{1, 1, 2}, dims{1, 0, 4}, dims{1, 0, 5}, 64, 50, 1},
	{3, dims{12, 9}, dims{3, 3}, dims{1, 1}, dims{4, 4}, dims{4, 4}, dims{4, 4}, 40, 51, 1},
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
			{"panels", func(p *GradPrep, k *convGrad) GradKernel {
				if t := newConvGradTaps(p, k); t != nil {
					return t
				}
				return newConvGradWeight(p, k)
			}, 1 << 10},
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

// TestGradProductPanels checks gradients of weights by packed panels, of dense layers and 1x1 convolutions, against the
// definition: sizes that panels, tiles and depths do not divide, with the same bits on one and more threads.
func TestGradProductPanels(t *testing.T) {
	panels, _ := kern.TNPanels()
	for _, c := range []struct{ rows, in, out int }{{500, 130, 100}, {33, 400, 411}, {193, 96, 48}, {400, 770, 97}, {40, 1000, 390}} {
		for _, conv := range []bool{false, true} {
			var op Differentiable = &Dense{}
			x, w, out := normalTensor(1, c.rows, c.in), normalTensor(2, c.out, c.in), tensor.F32Spec(c.rows, c.out)
			if conv {
				op, x, w, out = &Conv{}, normalTensor(1, 1, 1, c.rows, c.in), normalTensor(2, c.out, 1, 1, c.in), tensor.F32Spec(1, 1, c.rows, c.out)
			}
			in, params, d := []tensor.Tensor{x}, []tensor.Tensor{w}, normalTensor(3, out.Shape.Dims()...)
			run := func(p GradPrep) []float32 {
				p.In, p.Params, p.Out, p.NeedIn, p.NeedParam = Specs(in), params, out, []bool{false}, []bool{true}
				k, err := op.Backward(&p)
				require.NoError(t, err)
				if g, ok := k.(*convGrad); ok && !p.Reference && c.out >= tnRows && panels > 0 {
					require.IsType(t, new(convGradPointwise), g.dw)
				}
				g := &Grads{In: in, Params: params, DOut: d, DIn: make([]tensor.Tensor, 1), DParams: []tensor.Tensor{normalTensor(4, w.Shape.Dims()...)}, Scratch: dirty(p.ScratchSize()), Pool: closing(t, p.Threads)}
				k.Run(g)
				return g.DParams[0].F32()
			}
			want := run(GradPrep{Reference: true, Threads: 1})
			one := run(GradPrep{Threads: 1})
			require.Less(t, relative(one, want), 2e-6, fmt.Sprint(c, conv))
			for threads := 2; threads <= 4; threads++ {
				require.Equal(t, one, run(GradPrep{Threads: threads}), fmt.Sprint(c, conv, threads))
			}
		}
	}
}
