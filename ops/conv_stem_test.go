package ops

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvStem: a first layer by folded Winograd is close to its definition, of
// the same bits for any number of threads, and left out where it must be.
func TestConvStem(t *testing.T) {
	wide := cpu.Enabled("winostem/avx512")
	if !wide && !cpu.Enabled("winostem/avx2") {
		t.Skip("no AVX2")
	}
	for _, c := range []struct {
		n, h, w, ic, oc, kh, kw, pad int
		act                          Act
	}{
		{1, 64, 64, 3, 64, 7, 7, 3, Act{Fn: UnaryRelu}},
		{3, 41, 57, 3, 37, 7, 7, 3, Act{Fn: UnarySwish}},
		{2, 30, 33, 1, 16, 6, 8, 2, Clip(0, 6)},
		{2, 75, 31, 4, 48, 8, 6, 0, Act{}},
	} {
		if !wide {
			c.oc = roundUp(c.oc, 8) // whole vectors
		}
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			two, pad := []int{2, 2}, []int{c.pad, c.pad}
			op := &Conv{Window: Window{Stride: two, PadLo: pad, PadHi: pad}, Act: c.act}
			in := []tensor.Tensor{normalTensor(7, c.n, c.h, c.w, c.ic)}
			params := []tensor.Tensor{normalTensor(8, c.oc, c.kh, c.kw, c.ic), normalTensor(9, c.oc)}
			want, err := Run(op, in, params)
			require.NoError(t, err)
			var first []float32
			for threads := 1; threads <= 3; threads++ {
				pl := pool.New(threads)
				p := &Prep{Threads: threads}
				got, err := RunPrepared(op, in, params, p, pl)
				pl.Close()
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(p.Requests().Path, "winograd-f3/"))
				if first == nil {
					first = got.F32()
					var sum, norm float64
					for i, v := range want.F32() {
						d := float64(v - first[i])
						sum, norm = sum+d*d, norm+float64(v)*float64(v)
					}
					require.Less(t, math.Sqrt(sum/norm), 1e-5)
				}
				require.Equal(t, first, got.F32())
			}
			for _, p := range []*Prep{{Exact: true}, {Choice: Choice{Winograd: WinogradNone}}, {MemoryBudget: 1000}} {
				_, err := RunPrepared(op, in, params, p, nil)
				require.NoError(t, err)
				require.NotContains(t, p.Requests().Path, "winograd")
			}
		})
	}
}

// TestConvStemRepack: a trainer's weights count once they are packed again.
func TestConvStemRepack(t *testing.T) {
	two, pad := []int{2, 2}, []int{3, 3}
	op := &Conv{Window: Window{Stride: two, PadLo: pad, PadHi: pad}}
	in, params := []tensor.Tensor{normalTensor(7, 2, 30, 33, 3)}, []tensor.Tensor{normalTensor(8, 16, 7, 7, 3)}
	p := &Prep{In: Specs(in), Params: params, Threads: 1, Training: true}
	var err error
	p.Out, err = op.Infer(p.In, Specs(params))
	require.NoError(t, err)
	k, err := PrepareLive(op, p)
	require.NoError(t, err)
	a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(p.Requests().Scratch)}
	for i, w := 0, params[0].F32(); i < len(w); i++ {
		w[i] += float32(i%7) - 3
	}
	noAllocs(t, 3, func() { k.(Repacker).Repack(a); k.Run(a) })
	want, err := Run(op, in, params)
	require.NoError(t, err)
	require.Less(t, relative(a.Out.F32(), want.F32()), 1e-5)
}
