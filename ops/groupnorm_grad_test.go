package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestGroupNormGrad compares gradients of norms over many positions with the definition: few and many channels, also with
// means far from 0, set and added, with the same bits on any number of threads, allocating nothing.
func TestGroupNormGrad(t *testing.T) {
	for _, c := range []struct{ n, h, w, c, groups, affine int }{
		{3, 17, 19, 24, 4, 24}, {2, 40, 33, 6, 0, 6}, {1, 5, 3, 200, 8, 200}, {2, 9, 9, 32, 8, 8}, {2, 300, 7, 16, 1, 0}, {5, 1, 2, 3, 3, 3},
	} {
		for _, shift := range []float32{0, 2, 50} {
			op := &GroupNorm{Groups: c.groups, Eps: 1e-5}
			x := normalTensor(1, c.n, c.h, c.w, c.c)
			for i := range x.F32() {
				x.F32()[i] += shift
			}
			in, params := []tensor.Tensor{x}, []tensor.Tensor{}
			if c.affine > 0 {
				params = []tensor.Tensor{normalTensor(2, c.affine), normalTensor(3, c.affine)}
			}
			d := normalTensor(4, x.Shape.Dims()...)
			run := func(p GradPrep) [][]float32 {
				f := &Prep{In: Specs(in), Params: params, Out: x.Spec, Threads: 1, Training: true, Reference: true}
				k, err := op.Prepare(f)
				require.NoError(t, err)
				aux := tensor.AlignedBytes(f.Requests().Aux)
				k.Run(&Args{In: in, Out: tensor.New(x.Spec), Scratch: dirty(f.Requests().Scratch), Aux: aux})
				p.In, p.Params, p.Out, p.NeedIn, p.NeedParam = Specs(in), params, x.Spec, []bool{true}, []bool{true, true}[:len(params)]
				b, err := op.Backward(&p)
				require.NoError(t, err)
				g := &Grads{In: in, Params: params, DOut: d, DIn: []tensor.Tensor{tensor.New(x.Spec)}, Aux: aux, Scratch: dirty(p.ScratchSize()), Pool: closing(t, p.Threads)}
				if p.Sets(0) {
					copy(g.DIn[0].Data, dirty(len(g.DIn[0].Data)))
				}
				for _, w := range params {
					g.DParams = append(g.DParams, tensor.New(w.Spec))
				}
				b.Run(g)
				all := [][]float32{append([]float32{}, g.DIn[0].F32()...)}
				for _, w := range g.DParams {
					all = append(all, append([]float32{}, w.F32()...))
				}
				if !p.Reference {
					noAllocs(t, 1, func() { b.Run(g) })
				}
				return all
			}
			want, one := run(GradPrep{Reference: true, Threads: 1}), run(GradPrep{Threads: 1})
			for i := range want {
				require.Less(t, relative(one[i], want[i]), 5e-6, fmt.Sprint(c, shift, i))
			}
			require.Equal(t, one, run(GradPrep{Threads: 3}))
			require.Equal(t, one, run(GradPrep{Threads: 2, Fresh: []bool{true}}))
		}
	}
}
