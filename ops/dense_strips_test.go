package ops

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// runDense is the path that op takes, and what it computes.
func runDense(t *testing.T, op *Dense, in, params []tensor.Tensor, threads int) (string, []float32) {
	t.Helper()
	p := &Prep{In: Specs(in), Params: params, Threads: threads}
	var err error
	p.Out, err = op.Infer(p.In, Specs(params))
	require.NoError(t, err)
	k, err := op.Prepare(p)
	require.NoError(t, err)
	a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(p.Requests().Scratch)}
	if threads > 1 {
		a.Pool = closing(t, threads)
	}
	k.Run(a)
	return p.Requests().Path, a.Out.F32()
}

// runDensePanels is the same without strips.
func runDensePanels(t *testing.T, op *Dense, in, params []tensor.Tensor, threads int) (string, []float32) {
	for _, name := range []string{"strips/avx512", "strips/avx2", "strips/neon"} {
		defer cpu.Set(name, false)()
	}
	return runDense(t, op, in, params, threads)
}

func haveStrips() bool { return kern.SelectGemmF32().Strips() }

func haveNarrow() bool { return kern.SelectGemmF32().Narrow(nil, 1, nil) != kern.NarrowNone }

// Large weights that 16 bits hold exactly, or 8 and a step, are packed so, and one
// row gives the bits that the same weights in float32 give.
func TestDenseNarrow(t *testing.T) {
	const in, out = 521, 530
	for name, keep := range map[string]func(x float32) float32{
		"f16": func(x float32) float32 { return float32(math.Round(float64(x)*256) / 256) },
		"i8": func(x float32) float32 {
			return float32(int8(math.Round(float64(min(max(x, -2), 2)*60)))) * 0x1.2345p-6
		},
		"bf16": func(x float32) float32 { return math.Float32frombits(math.Float32bits(x*0x1p-40) &^ 0xffff) },
	} {
		w, b := normalTensor(1, out, in), normalTensor(2, out)
		for i, x := range w.F32() {
			w.F32()[i] = keep(x)
		}
		for _, rows := range []int{1, 2, 40} {
			for _, threads := range []int{1, 3} {
				x, res := normalTensor(3, rows, in), normalTensor(4, rows, out)
				op, args := &Dense{Act: Relu, Residual: true}, []tensor.Tensor{x, res}
				path, got := runDense(t, op, args, []tensor.Tensor{w, b}, threads)
				plain, want := runDensePanels(t, op, args, []tensor.Tensor{w, b}, threads)
				require.Contains(t, plain, "gemm/")
				if rows == 1 && haveStrips() && haveNarrow() {
					require.Regexp(t, "^strips/.*/"+name+"$", path)
				}
				require.Equal(t, want, got)
			}
		}
	}
}

// A single row leaves out the weights of inputs that are zero, and gives the bits that all of them give, on any number of
// threads; a weight that is not finite makes an input of zero count.
func TestDenseZeros(t *testing.T) {
	const in, out = 3500, 1001
	w, b, x := normalTensor(1, out, in), normalTensor(2, out), normalTensor(3, 1, in)
	for i := range x.F32() {
		if i%7 < 4 {
			x.F32()[i] = 0
		}
	}
	for _, act := range []Act{{}, Relu, {Fn: UnaryTanh}} {
		for _, threads := range []int{1, 2, 3, 16} {
			for _, bad := range []float32{0, float32(math.Inf(1)), float32(math.NaN())} {
				at := 500*in + 7*400 + 1 // of an input that is zero
				kept := w.F32()[at]
				if bad != 0 {
					w.F32()[at] = bad
				}
				op, params := &Dense{Act: act}, []tensor.Tensor{w, b}
				path, got := runDense(t, op, []tensor.Tensor{x}, params, threads)
				_, want := runDensePanels(t, op, []tensor.Tensor{x}, params, threads)
				w.F32()[at] = kept
				if haveStrips() {
					require.Regexp(t, "^strips/", path)
				}
				if bad != 0 {
					require.True(t, math.IsNaN(float64(want[500])), want[500])
					require.True(t, math.IsNaN(float64(got[500])), got[500])
					want[500], got[500] = 0, 0
				}
				require.Equal(t, want, got, fmt.Sprint(act, threads, bad))
			}
		}
	}
}
