package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// TestMathOnEveryPath runs fast paths with each switch off in turn, the widest
// instructions first, down to portable code.
func TestMathOnEveryPath(t *testing.T) {
	check := func() {
		x, y := normalTensor(1, 7, 5, 37), normalTensor(2, 37)
		in := []tensor.Tensor{x}
		checkFast(t, &Dense{Act: Relu}, in, []tensor.Tensor{normalTensor(3, 70, 37), normalTensor(4, 70)}, 5e-6)
		checkFast(t, &MatMul{TransB: true}, []tensor.Tensor{x, normalTensor(3, 7, 9, 37)}, nil, 5e-6)
		for fn := BinaryAdd; fn < numBinary; fn++ {
			checkFast(t, &Binary{Fn: fn, Act: Clip(-1, 1)}, []tensor.Tensor{x, y}, nil, 1e-6)
		}
		for _, fn := range []UnaryFn{UnaryRelu, UnarySigmoid, UnaryTanh, UnarySwish, UnaryExp, UnaryHardSwish} {
			checkFast(t, &Unary{Fn: fn}, in, nil, 1e-6)
		}
		checkFast(t, &Softmax{Axis: -1}, in, nil, 1e-6)
		checkFast(t, &Reduce{Axes: []int{1}}, in, nil, 1e-6)
		checkFast(t, &BatchNorm{Eps: 1e-3}, in, normParams(37), 1e-6)
		checkFast(t, &BatchNorm{Eps: 1e-3, Training: true}, in, normParams(37), 1e-6)
		checkGradWith(t, &BatchNorm{Eps: 1e-3}, []tensor.Tensor{normalTensor(1, 4, 3)}, normParams(3), gradOptions{NoParam: []int{2, 3}})
		checkGrad(t, &Dense{}, []tensor.Tensor{normalTensor(1, 4, 3)}, []tensor.Tensor{normalTensor(2, 5, 3), normalTensor(3, 5)})
	}
	check()
	for _, names := range [][]string{{"gemm/avx512", "vec/avx512"}, {"gemm/avx2", "vec/avx2", "gemm/neon", "vec/neon"}} {
		for _, name := range names {
			for _, known := range Switches() {
				if known == name {
					defer Switch(name, false)()
				}
			}
		}
		check()
	}
}

// TestMathOfNothing gives extents of 0 to everything: no operator may panic.
func TestMathOfNothing(t *testing.T) {
	ints := tensor.New(tensor.Spec{DType: tensor.I64, Shape: tensor.Of(0, 3)})
	for _, dims := range [][]int{{0, 3}, {2, 0}, {0, 0}, {2, 0, 3}} {
		x := tensor.New(tensor.F32Spec(dims...))
		c := dims[len(dims)-1]
		v := tensor.New(tensor.F32Spec(c))
		cond := tensor.New(tensor.Spec{DType: tensor.Bool, Shape: x.Shape})
		for _, o := range []struct {
			op         Op
			in, params []tensor.Tensor
		}{
			{&Unary{Fn: UnaryRelu}, []tensor.Tensor{x}, nil},
			{&PRelu{}, []tensor.Tensor{x}, []tensor.Tensor{v}},
			{&Binary{}, []tensor.Tensor{x, v}, nil},
			{&Binary{}, []tensor.Tensor{x, normalTensor(1, 1)}, nil},
			{&Where{}, []tensor.Tensor{cond, x, x}, nil},
			{&Cast{To: tensor.F16}, []tensor.Tensor{x}, nil},
			{&Dropout{Rate: 0.5, Training: true}, []tensor.Tensor{x}, nil},
			{&Softmax{Axis: -1}, []tensor.Tensor{x}, nil},
			{&Softmax{Axis: 0, Log: true}, []tensor.Tensor{x}, nil},
			{&Reduce{Axes: []int{0}}, []tensor.Tensor{x}, nil},
			{&Reduce{Fn: ReduceMax}, []tensor.Tensor{x}, nil},
			{&CumSum{}, []tensor.Tensor{x}, nil},
			{&TopK{Axis: -1}, []tensor.Tensor{x}, nil},
			{&Dense{}, []tensor.Tensor{x}, []tensor.Tensor{tensor.New(tensor.F32Spec(4, c))}},
			{&MatMul{TransB: true}, []tensor.Tensor{x, x}, nil},
			{&BatchNorm{}, []tensor.Tensor{x}, []tensor.Tensor{v, v, v, v}},
			{&BatchNorm{Training: true}, []tensor.Tensor{x}, []tensor.Tensor{v, v, v, v}},
			{&GroupNorm{}, []tensor.Tensor{x}, []tensor.Tensor{v, v}},
			{&LayerNorm{Axis: -1}, []tensor.Tensor{x}, []tensor.Tensor{v, v}},
			{&LRN{Size: 5}, []tensor.Tensor{x}, nil},
			{&LpNorm{P: 2}, []tensor.Tensor{x}, nil},
			{&MSELoss{}, []tensor.Tensor{x, x}, nil},
			{&SoftmaxCrossEntropy{}, []tensor.Tensor{normalTensor(1, 0, 3, 4), ints}, nil},
		} {
			for _, reference := range []bool{true, false} {
				out, err := RunPrepared(o.op, o.in, o.params, &Prep{Reference: reference, Threads: 2}, nil)
				require.NoError(t, err, "%v of %v", o.op.Kind(), dims)
				_, ok := o.op.(Differentiable)
				if _, masked := o.op.(*Dropout); !ok || masked {
					continue
				}
				c := &gradChecker{op: o.op, in: o.in, params: o.params, weights: make([]float32, out.Shape.Elems())}
				if out.DType == tensor.F32 {
					c.backward(t, reference, nil)
				}
			}
		}
	}
}
