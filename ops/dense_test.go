package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestDense(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {1, 70, 33}, {5, 17, 100}, {37, 64, 48}, {130, 600, 300}, {3, 700, 400}} {
		rows, in, out := s[0], s[1], s[2]
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			x, w, b := normalTensor(1, rows, in), normalTensor(2, out, in), normalTensor(3, out)
			res := normalTensor(4, rows, out)
			checkFast(t, &Dense{}, []tensor.Tensor{x}, []tensor.Tensor{w}, 1e-4)
			checkFast(t, &Dense{Act: Relu}, []tensor.Tensor{x}, []tensor.Tensor{w, b}, 1e-4)
			checkFast(t, &Dense{Act: Act{Fn: UnaryTanh}, Residual: true}, []tensor.Tensor{x, res}, []tensor.Tensor{w, b}, 1e-4)
			checkFast(t, &Dense{Act: Clip(-1, 1)}, []tensor.Tensor{x, w, b}, nil, 1e-4)
		})
	}
}

// Results that are more than a cache holds are activated block by block, of
// rows or of columns.
func TestDenseActBlocks(t *testing.T) {
	for _, s := range [][3]int{{1100, 20, 301}, {401, 401, 397}} {
		w, bias := normalTensor(2, s[2], s[1]), normalTensor(3, s[2])
		for i := range w.F32() {
			w.F32()[i] *= 0.05
		}
		checkFast(t, &Dense{Act: Act{Fn: UnaryGelu}}, []tensor.Tensor{normalTensor(1, s[0], s[1])}, []tensor.Tensor{w, bias}, 1e-5)
	}
}

func TestDensePitch(t *testing.T) {
	x, w := normalTensor(1, 5, 7), normalTensor(2, 3, 7)
	want, err := Run(&Dense{}, []tensor.Tensor{x}, []tensor.Tensor{w})
	require.NoError(t, err)
	for _, reference := range []bool{true, false} {
		p := &Prep{In: []tensor.Spec{x.Spec}, Params: []tensor.Tensor{w}, Out: want.Spec, Threads: 1, OutPitch: 11, Reference: reference}
		k, err := (&Dense{}).Prepare(p)
		require.NoError(t, err)
		wide := tensor.New(tensor.F32Spec(5 * 11))
		k.Run(&Args{In: []tensor.Tensor{x}, Out: tensor.Tensor{Spec: wide.Spec, Data: wide.Data}})
		for r := range 5 {
			require.InDeltaSlice(t, want.F32()[r*3:r*3+3], wide.F32()[r*11:r*11+3], 1e-5)
			require.Equal(t, make([]float32, 8), wide.F32()[r*11+3:(r+1)*11])
		}
	}
}

func TestDenseRepack(t *testing.T) {
	x, w := normalTensor(1, 5, 7), normalTensor(2, 3, 7)
	p := &Prep{In: []tensor.Spec{x.Spec}, Params: []tensor.Tensor{w}, Threads: 1, Training: true}
	p.Out, _ = (&Dense{}).Infer(p.In, Specs(p.Params))
	k, err := (&Dense{}).Prepare(p)
	require.NoError(t, err)
	w.F32()[4] += 3
	a := &Args{In: []tensor.Tensor{x}, Out: tensor.New(p.Out)}
	k.(Repacker).Repack(a)
	k.Run(a)
	want, err := Run(&Dense{}, a.In, p.Params)
	require.NoError(t, err)
	require.InDeltaSlice(t, want.F32(), a.Out.F32(), 1e-5)
}

func TestDenseErrors(t *testing.T) {
	f := tensor.F32Spec
	_, err := (&Dense{}).Infer([]tensor.Spec{f(2, 3)}, []tensor.Spec{f(4, 5)})
	require.EqualError(t, err, "ops: Dense: weight: want [out, 3], got 4x5")
	_, err = (&Dense{}).Infer([]tensor.Spec{f(2, 3)}, []tensor.Spec{f(4, 3), f(3)})
	require.ErrorContains(t, err, "bias")
	half := tensor.Spec{DType: tensor.F16, Shape: tensor.Of(2, 3)}
	_, err = (&Dense{}).Infer([]tensor.Spec{half}, []tensor.Spec{f(4, 3)})
	require.ErrorContains(t, err, "Cast")
	_, err = (&Dense{Residual: true}).Infer([]tensor.Spec{f(2, 3)}, []tensor.Spec{f(4, 3)})
	require.ErrorContains(t, err, "residual")
	_, err = (&Dense{Residual: true}).Infer([]tensor.Spec{f(2, 3), f(4, 3), f(2, 4)}, []tensor.Spec{f(4)})
	require.ErrorContains(t, err, "as parameters")
}

func TestDenseGrad(t *testing.T) {
	for _, s := range [][3]int{{1, 5, 3}, {7, 6, 5}, {3, 4, 19}} {
		x, w, b := normalTensor(1, s[0], s[1]), normalTensor(2, s[2], s[1]), normalTensor(3, s[2])
		res := normalTensor(4, s[0], s[2])
		checkGrad(t, &Dense{}, []tensor.Tensor{x}, []tensor.Tensor{w, b})
		checkGrad(t, &Dense{}, []tensor.Tensor{x, w, b}, nil)
		checkGrad(t, &Dense{Residual: true}, []tensor.Tensor{x, res}, []tensor.Tensor{w, b})
		checkGradWith(t, &Dense{}, []tensor.Tensor{x}, []tensor.Tensor{w, b}, gradOptions{NoIn: []int{0}})
		checkGradWith(t, &Dense{}, []tensor.Tensor{x}, []tensor.Tensor{w, b}, gradOptions{NoParam: []int{0, 1}})
	}
	// A small step, and limits that only some results reach.
	x, w, b := normalTensor(1, 5, 6), normalTensor(2, 4, 6), normalTensor(3, 4)
	checkGradWith(t, &Dense{Act: Relu}, []tensor.Tensor{x}, []tensor.Tensor{w, b}, gradOptions{Step: 2e-3, Tolerance: 1e-3})
	checkGradWith(t, &Dense{Act: Clip(-1, 2)}, []tensor.Tensor{x}, []tensor.Tensor{w, b}, gradOptions{Step: 2e-3, Tolerance: 1e-3})
}

// TestDenseGradLarge goes over several chunks of depth, rows and columns.
func TestDenseGradLarge(t *testing.T) {
	x, w, b := normalTensor(1, 1100, 70), normalTensor(2, 600, 70), normalTensor(3, 600)
	c := &gradChecker{op: &Dense{}, in: []tensor.Tensor{x}, params: []tensor.Tensor{w, b}}
	c.weights = normalTensor(4, 1100*600).F32()
	plain, fast, three := c.backward(t, true, nil), c.backward(t, false, nil), c.backward(t, false, closing(t, 3))
	for i := range plain {
		want := make([]float64, len(plain[i].F32()))
		for j, v := range plain[i].F32() {
			want[j] = float64(v)
		}
		require.Less(t, relativeError(fast[i].F32(), want), 1e-5)
		require.Equal(t, fast[i].Data, three[i].Data)
	}
}

// TestDenseLive checks a layer whose large weights change: against the definition, with bits that do not depend on the
// number of threads, from the weights as they are and allocating nothing.
func TestDenseLive(t *testing.T) {
	for _, c := range []struct {
		rows, in, out int
		op            Dense
	}{{5, 9001, 291, Dense{Act: Relu}}, {1, 4096, 600, Dense{}}, {17, 5000, 520, Dense{Residual: true, Act: Act{Fn: UnarySwish, A: 1}}}, {33, 2000, 1100, Dense{}}} {
		in, params := []tensor.Tensor{normalTensor(1, c.rows, c.in)}, []tensor.Tensor{normalTensor(2, c.out, c.in), normalTensor(3, c.out)}
		if c.op.Residual {
			in = append(in, normalTensor(4, c.rows, c.out))
		}
		out := tensor.F32Spec(c.rows, c.out)
		var one []byte
		for threads := 1; threads <= 3; threads++ {
			p := &Prep{In: Specs(in), Params: params, Out: out, Threads: threads, Training: true}
			k, err := c.op.Prepare(p)
			require.NoError(t, err)
			if c.rows > liveRows {
				require.IsType(t, new(denseGemm), k)
				continue
			}
			require.IsType(t, new(denseLive), k)
			a := &Args{In: in, Out: tensor.New(out), Scratch: dirty(p.Requests().Scratch), Pool: closing(t, threads)}
			params[0].F32()[7] = 3
			noAllocs(t, 1, func() { k.Run(a) })
			want, err := RunPrepared(&c.op, in, params, &Prep{Reference: true}, nil)
			require.NoError(t, err)
			require.Less(t, relative(a.Out.F32(), want.F32()), 2e-6)
			if threads == 1 {
				one = a.Out.Data
			}
			require.Equal(t, one, a.Out.Data, "%d threads", threads)
		}
	}
}
