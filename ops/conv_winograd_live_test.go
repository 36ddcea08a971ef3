package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// liveCases are sizes of every form: whole weights or one column of planes at a
// time, one chunk or several, tiles that stick out, panels that are not full.
var liveCases = []struct{ n, h, w, ic, oc, lo, hi int }{
	{4, 8, 8, 16, 16, 1, 1},
	{3, 9, 14, 17, 33, 1, 1},
	{5, 13, 12, 40, 24, 0, 0},
	{4, 10, 11, 16, 70, 2, 2},
	{7, 30, 29, 32, 16, 1, 1},
	{4, 7, 7, 150, 190, 1, 1},
	{40, 16, 8, 170, 140, 0, 1},
}

// TestConvWinogradLive checks training's Winograd, forward and both gradients,
// against the direct products, that bits do not depend on the number of threads, that
// nothing is allocated, and that exact training does without.
func TestConvWinogradLive(t *testing.T) {
	for i, c := range liveCases {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			if testing.Short() && c.n > 10 {
				t.Skip("slow where an emulator runs it")
			}
			op := &Conv{Window: Window{PadLo: []int{c.lo, c.lo}, PadHi: []int{c.hi, c.hi}}, Act: Act{Fn: UnaryRelu}}
			in := []tensor.Tensor{normalTensor(1, c.n, c.h, c.w, c.ic)}
			params := []tensor.Tensor{normalTensor(2, c.oc, 3, 3, c.ic), normalTensor(3, c.oc)}
			if i%2 == 1 {
				op.Act = Act{}
			}
			s, _, err := op.resolve(Specs(in), Specs(params))
			require.NoError(t, err)
			require.True(t, s.winoTrains())
			want, err := RunPrepared(op, in, params, &Prep{Exact: true}, nil)
			require.NoError(t, err)
			var first tensor.Tensor
			for threads := 1; threads <= 3; threads++ {
				pl := pool.New(threads)
				p := &Prep{In: Specs(in), Params: params, Out: want.Spec, Threads: threads, Training: true}
				k, err := op.PrepareLive(p)
				require.NoError(t, err)
				require.Contains(t, p.Requests().Path, "winograd-f4-live")
				a := &Args{In: in, Out: tensor.New(want.Spec), Scratch: dirty(p.Requests().Scratch), Pool: pl}
				noAllocs(t, 1, func() { k.Run(a) })
				require.Less(t, relative(a.Out.F32(), want.F32()), 1e-5)
				if threads == 1 {
					first = a.Out
				}
				require.Equal(t, first.Data, a.Out.Data, "%d threads", threads)
				pl.Close()
			}
			plain := convGradients(t, op, in, params, GradPrep{Exact: true, Threads: 1})
			one := convGradients(t, op, in, params, GradPrep{Threads: 1})
			for i := range plain {
				require.Less(t, relative(one[i].F32(), plain[i].F32()), 1e-5, "gradient %d", i)
			}
			for threads := 2; threads <= 3; threads++ {
				for i, g := range convGradients(t, op, in, params, GradPrep{Threads: threads}) {
					require.Equal(t, one[i].Data, g.Data, "gradient %d differs on %d threads", i, threads)
				}
			}
			p := &Prep{In: Specs(in), Params: params, Out: want.Spec, Threads: 1, Training: true, Exact: true}
			_, err = op.PrepareLive(p)
			require.NoError(t, err)
			require.Contains(t, p.Requests().Path, "igemm")
			gp := &GradPrep{In: Specs(in), Params: params, Out: want.Spec, Threads: 1, Exact: true, NeedIn: []bool{true}, NeedParam: []bool{true, true}}
			g, err := op.Backward(gp)
			require.NoError(t, err)
			require.IsType(t, new(convGradIn), g.(*convGrad).dx)
			require.NotContains(t, fmt.Sprintf("%T", g.(*convGrad).dw), "wino")
		})
	}
}

// TestConvWinogradGradAllocs checks that the gradients allocate nothing and
// keep to what they asked for, whatever was there before.
func TestConvWinogradGradAllocs(t *testing.T) {
	for _, c := range liveCases {
		if testing.Short() && c.n > 10 {
			continue
		}
		op := &Conv{Window: Window{PadLo: []int{c.lo, c.lo}, PadHi: []int{c.hi, c.hi}}}
		in, params := []tensor.Tensor{normalTensor(1, c.n, c.h, c.w, c.ic)}, []tensor.Tensor{normalTensor(2, c.oc, 3, 3, c.ic)}
		out, err := op.Infer(Specs(in), Specs(params))
		require.NoError(t, err)
		p := &GradPrep{In: Specs(in), Params: params, Out: out, Threads: 2, NeedIn: []bool{true}, NeedParam: []bool{true}}
		k, err := op.Backward(p)
		require.NoError(t, err)
		pl := pool.New(2)
		g := &Grads{In: in, Params: params, DOut: normalTensor(3, out.Shape.Dims()...), DIn: []tensor.Tensor{tensor.New(in[0].Spec)}, DParams: []tensor.Tensor{tensor.New(params[0].Spec)}, Scratch: dirty(p.ScratchSize()), Pool: pl}
		noAllocs(t, 1, func() { k.Run(g) }, c)
		require.False(t, hasNaN(g.DIn[0].F32()) || hasNaN(g.DParams[0].F32()), c)
		pl.Close()
	}
}

// dirty is scratch full of NaNs: it is not cleared.
func dirty(n int) []byte {
	b := tensor.AlignedBytes(n)
	for i := range b {
		b[i] = 0xff
	}
	return b
}

func hasNaN(x []float32) bool {
	for _, v := range x {
		if v != v {
			return true
		}
	}
	return false
}
