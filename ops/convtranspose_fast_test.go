package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvTransposeFast compares products with the plain path: the layers of
// generators and decoders, sizes that leave tiles and panels in part, and every
// way in which phases can differ.
func TestConvTransposeFast(t *testing.T) {
	window := func(stride, lo, hi int) Window {
		return Window{Stride: []int{stride, stride}, PadLo: []int{lo, lo}, PadHi: []int{hi, hi}}
	}
	cases := []struct {
		name string
		op   ConvTranspose
		x, w []int
	}{
		{"generator, first", ConvTranspose{}, []int{2, 1, 1, 20}, []int{20, 4, 4, 40}},
		{"generator, first, dilated and cut", ConvTranspose{Window: Window{Dilation: []int{2, 3}, PadLo: []int{1, 2}, PadHi: []int{0, 3}}}, []int{2, 1, 1, 5}, []int{5, 3, 3, 9}},
		{"generator", ConvTranspose{Window: window(2, 1, 1)}, []int{2, 4, 5, 33}, []int{33, 4, 4, 35}},
		{"generator, last", ConvTranspose{Window: window(2, 1, 1), Act: Act{Fn: UnaryTanh}}, []int{1, 9, 8, 17}, []int{17, 4, 4, 3}},
		{"generator, last, clamped and cut", ConvTranspose{Window: Window{Stride: []int{2, 2}, PadLo: []int{2, 5}, PadHi: []int{1, 6}}, Act: Clip(-0.5, 1)}, []int{2, 29, 31, 40}, []int{40, 4, 4, 3}},
		{"to one channel, dilated", ConvTranspose{Window: Window{Stride: []int{3, 2}, Dilation: []int{1, 2}, PadLo: []int{4, 1}, PadHi: []int{4, 1}}}, []int{1, 30, 17, 56}, []int{56, 9, 9, 1}},
		{"1-D, to one channel", ConvTranspose{Window: Window{Stride: []int{4}, PadLo: []int{2}, PadHi: []int{2}}}, []int{2, 200, 32}, []int{32, 8, 1}},
		{"decoder", ConvTranspose{Window: window(2, 0, 0), Act: Relu}, []int{2, 7, 9, 24}, []int{24, 2, 2, 37}},
		{"decoder, many rows", ConvTranspose{Window: window(2, 0, 0)}, []int{1, 67, 71, 8}, []int{8, 2, 2, 33}},
		{"decoder, cut", ConvTranspose{Window: window(2, 1, 0)}, []int{1, 6, 5, 7}, []int{7, 2, 2, 11}},
		{"3x3 of stride 2", ConvTranspose{Window: window(2, 1, 1), OutputPad: []int{1, 1}}, []int{1, 6, 7, 12}, []int{12, 3, 3, 18}},
		{"6x6 of stride 3", ConvTranspose{Window: window(3, 0, 0)}, []int{1, 4, 4, 6}, []int{6, 6, 6, 10}},
		{"gaps", ConvTranspose{Window: window(4, 0, 1), OutputPad: []int{3, 3}, Act: Clip(-1, 1)}, []int{1, 4, 3, 6}, []int{6, 2, 2, 10}},
		{"padding beyond the kernel", ConvTranspose{Window: window(2, 5, 4)}, []int{1, 9, 9, 4}, []int{4, 3, 3, 5}},
		{"output past the input", ConvTranspose{Window: window(2, 0, 0), OutputPad: []int{9, 8}}, []int{1, 3, 4, 4}, []int{4, 2, 2, 5}},
		{"stride 1", ConvTranspose{Window: window(1, 1, 1)}, []int{1, 9, 9, 16}, []int{16, 3, 3, 16}},
		{"dilated", ConvTranspose{Window: Window{Stride: []int{4, 3}, Dilation: []int{2, 2}, PadLo: []int{1, 2}, PadHi: []int{1, 1}}}, []int{1, 5, 6, 9}, []int{9, 3, 4, 8}},
		{"groups", ConvTranspose{Window: window(2, 1, 1), Groups: 3}, []int{2, 5, 4, 12}, []int{12, 4, 4, 5}},
		{"bilinear", ConvTranspose{Window: window(2, 1, 1), Groups: 21}, []int{1, 5, 6, 21}, []int{21, 4, 4, 1}},
		{"bilinear by 16", ConvTranspose{Window: window(16, 8, 8), Groups: 21, Act: Relu}, []int{2, 3, 4, 21}, []int{21, 32, 32, 1}},
		{"depthwise, uneven", ConvTranspose{Window: Window{Stride: []int{3, 2}, Dilation: []int{2, 3}, PadLo: []int{1, 0}, PadHi: []int{2, 1}}, Groups: 5, Act: Act{Fn: UnaryTanh}}, []int{2, 5, 6, 5}, []int{5, 4, 3, 1}},
		{"depthwise, 3x3 of stride 2", ConvTranspose{Window: window(2, 1, 1), OutputPad: []int{1, 1}, Groups: 64}, []int{1, 6, 7, 64}, []int{64, 3, 3, 1}},
		{"depthwise, stride 1", ConvTranspose{Window: window(1, 1, 1), Groups: 16}, []int{1, 6, 7, 16}, []int{16, 3, 3, 1}},
		{"1-D", ConvTranspose{Window: Window{Stride: []int{8}, PadLo: []int{4}, PadHi: []int{4}}}, []int{2, 13, 10}, []int{10, 16, 12}},
		{"3-D", ConvTranspose{Window: Window{Stride: []int{2, 2, 2}}}, []int{1, 3, 4, 5, 6}, []int{6, 2, 2, 2, 7}},
		{"3-D, uneven", ConvTranspose{Window: Window{Stride: []int{1, 2, 3}, PadLo: []int{1, 1, 0}, PadHi: []int{0, 1, 1}}}, []int{1, 3, 4, 5, 6}, []int{6, 3, 4, 3, 7}},
	}
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		for i, c := range cases {
			x, w := normalTensor(uint64(3*i+1), c.x...), normalTensor(uint64(3*i+2), c.w...)
			bias := normalTensor(uint64(3*i+3), c.w[len(c.w)-1]*max(1, c.op.Groups))
			for _, params := range [][]tensor.Tensor{{w}, {w, bias}} {
				want, err := Run(&c.op, []tensor.Tensor{x}, params)
				require.NoError(t, err, c.name)
				var first []byte
				for _, threads := range []int{1, 2, 5} {
					p := &Prep{Threads: threads}
					got, err := RunPrepared(&c.op, []tensor.Tensor{x}, params, p, closing(t, threads))
					require.NoError(t, err, c.name)
					require.NotEqual(t, "reference", p.Requests().Path, c.name)
					require.Less(t, relative(got.F32(), want.F32()), 2e-6, c.name)
					if first == nil {
						first = got.Data
					}
					require.Equal(t, first, got.Data, "%s: %d threads", c.name, threads)
				}
			}
		}
	})
}

// TestConvTransposeRepack: changed weights count once they are packed again, which
// allocates nothing after the first time.
func TestConvTransposeRepack(t *testing.T) {
	for _, stride := range []int{1, 2, 5} {
		op := &ConvTranspose{Window: Window{Stride: []int{stride, stride}}}
		in, params := []tensor.Tensor{normalTensor(1, 2, 3, 4, 5)}, []tensor.Tensor{normalTensor(2, 5, 3, 3, 6), normalTensor(3, 6)}
		p := &Prep{In: Specs(in), Params: params, Threads: 1, Training: true}
		var err error
		p.Out, err = op.Infer(p.In, Specs(params))
		require.NoError(t, err)
		k, err := PrepareLive(op, p)
		require.NoError(t, err)
		a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(p.Requests().Scratch)}
		for _, w := range params {
			for i := range w.F32() {
				w.F32()[i] += float32(i%7) - 3
			}
		}
		k.(Repacker).Repack(a)
		noAllocs(t, 3, func() { k.(Repacker).Repack(a); k.Run(a) }, fmt.Sprint(stride))
		want, err := Run(op, in, params)
		require.NoError(t, err)
		require.Less(t, relative(a.Out.F32(), want.F32()), 2e-6)
	}
}
