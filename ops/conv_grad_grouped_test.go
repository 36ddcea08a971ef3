package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvGradGrouped checks gradients of narrow groups against the definition, written where nothing was: on one
// and more threads with the same bits, allocating nothing; and that weights that changed count once they are packed.
func TestConvGradGrouped(t *testing.T) {
	for _, c := range []struct {
		n, h, w, groups, width, kh int
		pad                        int
		stride                     int
	}{
		{3, 9, 13, 8, 4, 3, 1, 1}, {2, 7, 30, 2, 8, 3, 2, 1}, {1, 12, 9, 16, 2, 1, 1, 1}, {2, 8, 16, 3, 16, 5, 1, 1},
		{2, 15, 15, 8, 4, 3, 1, 2}, {1, 9, 7, 4, 4, 3, 0, 1}, {2, 9, 9, 2, 32, 3, 1, 1}, {13, 8, 8, 24, 2, 3, 1, 1},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			ic := c.groups * c.width
			op := &Conv{Groups: c.groups, Window: Window{Stride: []int{c.stride, c.stride}, PadLo: []int{c.kh / 2, c.pad}, PadHi: []int{c.kh / 2, c.pad}}}
			x, w := normalTensor(5, c.n, c.h, c.w, ic), normalTensor(6, ic, c.kh, 3, c.width)
			in, params := []tensor.Tensor{x}, []tensor.Tensor{w}
			out, err := op.Infer(Specs(in), Specs(params))
			require.NoError(t, err)
			checkConvGrad(t, op, x, w)

			p := &Prep{In: Specs(in), Params: params, Out: out, Threads: 1, Training: true}
			k, err := op.PrepareLive(p)
			require.NoError(t, err)
			if s := (&kern.GroupedF32Args{IC: c.width, OC: c.width, Channels: ic, OW: out.Shape.Dim(2), SW: c.stride, SH: c.stride, PL: c.pad, W: c.w, KH: c.kh, PT: c.kh / 2, OH: out.Shape.Dim(1), H: c.h}); s.Plan() {
				require.Equal(t, "grouped", p.Requests().Path)
			}
			copy(w.F32(), normalTensor(8, w.Shape.Dims()...).F32())
			a := &Args{In: in, Out: tensor.New(out), Scratch: dirty(p.Requests().Scratch)}
			noAllocs(t, 1, func() { k.(Repacker).Repack(a); k.Run(a) })
			want, err := RunPrepared(op, in, params, &Prep{Reference: true}, nil)
			require.NoError(t, err)
			require.Less(t, relative(a.Out.F32(), want.F32()), 2e-6)
		})
	}
}

// checkConvGrad checks both gradients as TestConvGradGrouped says.
func checkConvGrad(t *testing.T, op *Conv, x, w tensor.Tensor) {
	t.Helper()
	in, params := []tensor.Tensor{x}, []tensor.Tensor{w}
	out, err := op.Infer(Specs(in), Specs(params))
	require.NoError(t, err)
	d := normalTensor(7, out.Shape.Dims()...)
	run := func(p GradPrep) (dx, dw []float32) {
		p.In, p.Params, p.Out, p.NeedIn, p.NeedParam = Specs(in), params, out, []bool{true}, []bool{true}
		k, err := op.Backward(&p)
		require.NoError(t, err)
		pl := pool.New(p.Threads)
		defer pl.Close()
		g := &Grads{In: in, Params: params, DOut: d, DIn: []tensor.Tensor{tensor.New(x.Spec)}, DParams: []tensor.Tensor{tensor.New(w.Spec)}, Scratch: dirty(p.ScratchSize()), Pool: pl}
		if p.Sets(0) {
			copy(g.DIn[0].Data, dirty(len(g.DIn[0].Data)))
		}
		step := func() {
			if clear(g.DParams[0].Data); !p.Sets(0) {
				clear(g.DIn[0].Data)
			}
			k.Run(g)
		}
		if step(); !p.Reference {
			noAllocs(t, 1, step)
		}
		return g.DIn[0].F32(), g.DParams[0].F32()
	}
	wantIn, wantWeight := run(GradPrep{Reference: true, Fresh: []bool{true}, Threads: 1})
	var oneIn, oneWeight []float32
	for threads := 1; threads <= 3; threads++ {
		gotIn, gotWeight := run(GradPrep{Fresh: []bool{true}, Threads: threads})
		if threads == 1 {
			oneIn, oneWeight = gotIn, gotWeight
		}
		require.Less(t, relative(gotIn, wantIn), 2e-6)
		require.Less(t, relative(gotWeight, wantWeight), 2e-6)
		require.Equal(t, oneIn, gotIn)
		require.Equal(t, oneWeight, gotWeight)
	}
	added, _ := run(GradPrep{Threads: 2})
	require.Less(t, relative(added, wantIn), 2e-6)
}

// BenchmarkConvGradGrouped times a grouped layer's gradients.
func BenchmarkConvGradGrouped(b *testing.B) {
	for _, c := range []struct{ n, size, width, group, stride int }{{8, 56, 128, 4, 1}, {8, 28, 256, 8, 1}, {8, 14, 512, 16, 1}, {8, 7, 1024, 32, 1}, {8, 56, 256, 8, 2}, {8, 28, 512, 16, 2}} {
		for which, name := range []string{"in", "weight"} {
			b.Run(fmt.Sprint(name, c), func(b *testing.B) {
				op := &Conv{Groups: c.width / c.group, Window: Window{Stride: []int{c.stride, c.stride}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}}
				in, params := []tensor.Tensor{normalTensor(1, c.n, c.size, c.size, c.width)}, []tensor.Tensor{normalTensor(2, c.width, 3, 3, c.group)}
				out, err := op.Infer(Specs(in), Specs(params))
				require.NoError(b, err)
				p := &GradPrep{In: Specs(in), Params: params, Out: out, Threads: 1, NeedIn: []bool{which == 0}, NeedParam: []bool{which == 1}, Fresh: []bool{which == 0}}
				k, err := op.Backward(p)
				require.NoError(b, err)
				g := &Grads{In: in, Params: params, DOut: normalTensor(3, out.Shape.Dims()...), DIn: make([]tensor.Tensor, 1), DParams: make([]tensor.Tensor, 1), Scratch: tensor.AlignedBytes(p.ScratchSize())}
				g.DIn[0], g.DParams[0] = tensor.New(in[0].Spec), tensor.New(params[0].Spec)
				if which == 0 {
					g.DParams[0] = tensor.Tensor{}
				} else {
					g.DIn[0] = tensor.Tensor{}
				}
				for b.Loop() {
					k.Run(g)
				}
				b.ReportMetric(float64(out.Shape.Elems()*9*c.group)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			})
		}
	}
}
