package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// BenchmarkDenseGrad times the two products of a dense layer's gradient, and those of the same 1x1 convolution.
func BenchmarkDenseGrad(b *testing.B) {
	for _, c := range [][3]int{{3152, 192, 768}, {3152, 768, 192}, {25088, 96, 384}, {25088, 384, 96}, {6272, 192, 768}, {1568, 384, 1536}, {392, 3072, 768}, {6272, 512, 128}, {25088, 256, 256}} {
		for which, name := range []string{"in", "weight", "convin", "convweight"} {
			b.Run(fmt.Sprint(name, c), func(b *testing.B) {
				in, params, out := normalTensor(1, c[0], c[1]), normalTensor(2, c[2], c[1]), tensor.F32Spec(c[0], c[2])
				var op Differentiable = &Dense{}
				if which > 1 {
					in, params, out, op = normalTensor(1, 1, 1, c[0], c[1]), normalTensor(2, c[2], 1, 1, c[1]), tensor.F32Spec(1, 1, c[0], c[2]), &Conv{}
				}
				p := &GradPrep{In: []tensor.Spec{in.Spec}, Params: []tensor.Tensor{params}, Out: out, Threads: 1, NeedIn: []bool{which%2 == 0}, NeedParam: []bool{which%2 == 1}, Fresh: []bool{which%2 == 0}}
				k, err := op.Backward(p)
				require.NoError(b, err)
				g := &Grads{In: []tensor.Tensor{in}, Params: []tensor.Tensor{params}, DOut: normalTensor(3, out.Shape.Dims()...), DIn: make([]tensor.Tensor, 1), DParams: make([]tensor.Tensor, 1), Scratch: tensor.AlignedBytes(p.ScratchSize())}
				if which%2 == 0 {
					g.DIn[0] = tensor.New(in.Spec)
				} else {
					g.DParams[0] = tensor.New(params.Spec)
				}
				for b.Loop() {
					k.Run(g)
				}
				b.ReportMetric(float64(c[0]*c[1]*c[2])*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			})
		}
	}
}

// BenchmarkConvGradTaps times the gradients of convolutions that Winograd does not do.
func BenchmarkConvGradTaps(b *testing.B) {
	for _, c := range []struct{ in, w, kernel, stride, pad, dilation []int }{
		{dims{16, 8, 28, 28, 32}, dims{64, 3, 3, 3, 32}, nil, dims{1, 1, 1}, dims{1, 1, 1}, dims{1, 1, 1}},
		{dims{16, 4, 14, 14, 64}, dims{128, 3, 3, 3, 64}, nil, dims{1, 1, 1}, dims{1, 1, 1}, dims{1, 1, 1}},
		{dims{8, 56, 56, 128}, dims{128, 3, 3, 128}, nil, dims{2, 2}, dims{1, 1}, dims{1, 1}},
		{dims{8, 14, 14, 512}, dims{512, 3, 3, 512}, nil, dims{2, 2}, dims{1, 1}, dims{1, 1}},
		{dims{16, 56, 56, 64}, dims{128, 3, 3, 64}, nil, dims{2, 2}, dims{1, 1}, dims{1, 1}},
		{dims{16, 56, 56, 64}, dims{128, 1, 1, 64}, nil, dims{2, 2}, dims{0, 0}, dims{1, 1}},
		{dims{8, 56, 56, 256}, dims{512, 1, 1, 256}, nil, dims{2, 2}, dims{0, 0}, dims{1, 1}},
		{dims{8, 14, 14, 1024}, dims{2048, 1, 1, 1024}, nil, dims{2, 2}, dims{0, 0}, dims{1, 1}},
		{dims{32, 32, 32, 16}, dims{32, 1, 1, 16}, nil, dims{2, 2}, dims{0, 0}, dims{1, 1}},
		{dims{32, 32, 32, 16}, dims{32, 3, 3, 16}, nil, dims{2, 2}, dims{1, 1}, dims{1, 1}},
		{dims{16, 16, 16, 320}, dims{128, 3, 3, 320}, nil, dims{1, 1}, dims{4, 4}, dims{4, 4}},
	} {
		for which, name := range []string{"in", "weight"} {
			b.Run(fmt.Sprint(name, c.in, c.w), func(b *testing.B) {
				op := &Conv{Window: Window{Stride: c.stride, Dilation: c.dilation, PadLo: c.pad, PadHi: c.pad}}
				in, params := []tensor.Tensor{normalTensor(1, c.in...)}, []tensor.Tensor{normalTensor(2, c.w...)}
				out, err := op.Infer(Specs(in), Specs(params))
				require.NoError(b, err)
				p := &GradPrep{In: Specs(in), Params: params, Out: out, Threads: 1, NeedIn: []bool{which == 0}, NeedParam: []bool{which == 1}, Fresh: []bool{which == 0}, Exact: true}
				k, err := op.Backward(p)
				require.NoError(b, err)
				g := &Grads{In: in, Params: params, DOut: normalTensor(3, out.Shape.Dims()...), DIn: make([]tensor.Tensor, 1), DParams: make([]tensor.Tensor, 1), Scratch: tensor.AlignedBytes(p.ScratchSize())}
				if which == 0 {
					g.DIn[0] = tensor.New(in[0].Spec)
				} else {
					g.DParams[0] = tensor.New(params[0].Spec)
				}
				for b.Loop() {
					k.Run(g)
				}
				b.ReportMetric(float64(out.Shape.Elems()*params[0].Shape.Elems()/c.w[0])*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			})
		}
	}
}
