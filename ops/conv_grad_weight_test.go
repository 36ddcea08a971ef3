package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvGradWeightFew checks taps side by side against the definition,
// in parts that do not divide the positions.
func TestConvGradWeightFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(dims ...int) tensor.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return tensor.FromF32(x, dims...)
	}
	for _, c := range []struct{ ic, oc, groups, kernel, stride, dilation int }{
		{3, 16, 1, 3, 1, 1}, {3, 13, 1, 7, 2, 1}, {1, 8, 1, 5, 1, 2}, {8, 6, 1, 3, 2, 1}, {6, 8, 2, 3, 1, 1}, {5, 3, 1, 1, 1, 1},
	} {
		op := &Conv{Groups: c.groups, Window: Window{Stride: []int{c.stride, c.stride}, Dilation: []int{c.dilation, c.dilation}, Auto: PadSameUpper}}
		x, w := random(3, 14, 13, c.ic), random(c.oc, c.kernel, c.kernel, c.ic/c.groups)
		out, err := op.Infer([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
		require.NoError(t, err)
		s, _, err := op.resolve([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
		require.NoError(t, err)
		k := &convGrad{convSpec: s}
		g := &Grads{In: []tensor.Tensor{x}, DOut: random(out.Shape.Dims()...), DParams: []tensor.Tensor{tensor.New(w.Spec)}}
		(&convGradWeightPlain{k}).Run(g)
		want := g.DParams[0].F32()
		g.DParams[0] = tensor.New(w.Spec)
		p := &GradPrep{Threads: 1}
		fast := newConvGradWeightFew(p, k)
		g.Scratch = dirty(p.ScratchSize())
		fast.Run(g)
		require.InDeltaSlice(t, want, g.DParams[0].F32(), 1e-4, fmt.Sprint(c))
	}
}
