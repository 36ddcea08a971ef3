package ops

import (
	"testing"

	"github.com/teff-ml/teff/ops/tensor"
)

// benchOp times a forward and a backward run on one thread, in bytes of the
// first input; BenchmarkMath/copy is what memory allows.
func benchOp(b *testing.B, name string, op Differentiable, in, params []tensor.Tensor) {
	p := &Prep{In: Specs(in), Params: params, Threads: 1, Training: true}
	var err error
	if p.Out, err = op.Infer(p.In, Specs(params)); err != nil {
		b.Fatal(err)
	}
	k, err := op.Prepare(p)
	if err != nil {
		b.Fatal(err)
	}
	r := p.Requests()
	a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(r.Scratch), Aux: tensor.AlignedBytes(r.Aux)}
	b.Run(name+"/forward", func(b *testing.B) {
		b.SetBytes(int64(len(in[0].Data)))
		for b.Loop() {
			k.Run(a)
		}
	})
	gp := &GradPrep{In: p.In, Params: params, Out: p.Out, Threads: 1}
	gk, err := op.Backward(gp)
	if err != nil {
		b.Fatal(err)
	}
	g := &Grads{In: in, Params: params, Out: a.Out, DOut: tensor.New(p.Out), Aux: a.Aux, Scratch: tensor.AlignedBytes(gp.ScratchSize())}
	grad := func(x tensor.Tensor) tensor.Tensor {
		if x.DType != tensor.F32 {
			return tensor.Tensor{}
		}
		return tensor.New(x.Spec)
	}
	for _, x := range in {
		g.DIn = append(g.DIn, grad(x))
	}
	for _, x := range params {
		g.DParams = append(g.DParams, grad(x))
	}
	b.Run(name+"/backward", func(b *testing.B) {
		b.SetBytes(int64(len(in[0].Data)))
		for b.Loop() {
			gk.Run(g)
		}
	})
}

func BenchmarkMath(b *testing.B) {
	x := normalTensor(1, 8, 28, 28, 64)
	in, channels := []tensor.Tensor{x}, normalTensor(2, 64)
	b.Run("copy", func(b *testing.B) {
		y := x.Clone()
		b.SetBytes(int64(len(x.Data)))
		for b.Loop() {
			copy(y.Data, x.Data)
		}
	})
	benchOp(b, "batchnorm 64", &BatchNorm{Eps: 1e-3}, in, normParams(64))
	benchOp(b, "batchnorm 16", &BatchNorm{Eps: 1e-3}, []tensor.Tensor{normalTensor(1, 8, 28, 28, 16)}, normParams(16))
	benchOp(b, "relu", &Unary{Fn: UnaryRelu}, in, nil)
	benchOp(b, "gelu", &Unary{Fn: UnaryGelu}, in, nil)
	benchOp(b, "swish", &Unary{Fn: UnarySwish, A: 1}, in, nil)
	benchOp(b, "add", &Binary{}, []tensor.Tensor{x, x}, nil)
	benchOp(b, "add relu", &Binary{Act: Relu}, []tensor.Tensor{x, x}, nil)
	benchOp(b, "scale channels", &Binary{Fn: BinaryMul}, []tensor.Tensor{x, normalTensor(2, 8, 1, 1, 64)}, nil)
	benchOp(b, "prelu", &PRelu{}, in, []tensor.Tensor{channels})
	benchOp(b, "dropout", &Dropout{Rate: 0.5}, in, nil)
	benchOp(b, "mean", &Reduce{Axes: []int{1, 2}}, in, nil)
	benchOp(b, "lrn", &LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, Bias: 1}, in, nil)
	benchOp(b, "layernorm", &LayerNorm{Axis: -1}, in, []tensor.Tensor{channels, channels})
	scores := normalTensor(1, 64, 1000)
	benchOp(b, "softmax", &Softmax{Axis: -1}, []tensor.Tensor{scores}, nil)
	benchOp(b, "cross entropy", &SoftmaxCrossEntropy{}, []tensor.Tensor{scores, tensor.New(tensor.Spec{DType: tensor.I64, Shape: tensor.Of(64)})}, nil)
	w, bias := normalTensor(2, 1000, 512), normalTensor(3, 1000)
	benchOp(b, "dense 64 rows", &Dense{}, []tensor.Tensor{normalTensor(1, 64, 512)}, []tensor.Tensor{w, bias})
	benchOp(b, "dense 1 row", &Dense{}, []tensor.Tensor{normalTensor(1, 1, 512)}, []tensor.Tensor{w, bias})
	benchOp(b, "matmul 256", &MatMul{}, []tensor.Tensor{normalTensor(1, 256, 256), normalTensor(2, 256, 256)}, nil)
}
