package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvDepthwiseDepth compares slices added up with the plain path: uneven windows,
// slices in the padding, bands of rows, activations.
func TestConvDepthwiseDepth(t *testing.T) {
	cputest.ForEachPath(t, "dw/", func(t *testing.T) {
		for _, c := range []struct {
			op   Conv
			x, w []int
		}{
			{Conv{Window: Window{PadLo: []int{1, 1, 1}, PadHi: []int{1, 1, 1}}, Groups: 16}, []int{2, 4, 5, 6, 16}, []int{16, 3, 3, 3, 1}},
			{Conv{Window: Window{Stride: []int{2, 1, 2}, PadLo: []int{2, 1, 0}, PadHi: []int{1, 1, 2}}, Groups: 7, Act: Relu}, []int{1, 5, 6, 7, 7}, []int{7, 5, 3, 2, 1}},
			{Conv{Window: Window{Dilation: []int{2, 1, 1}, PadLo: []int{4, 0, 0}, PadHi: []int{5, 0, 0}}, Groups: 33, Act: Act{Fn: UnarySwish}}, []int{1, 2, 4, 3, 33}, []int{33, 2, 1, 1, 1}},
			{Conv{Window: Window{PadLo: []int{1, 1, 1}, PadHi: []int{1, 1, 1}}, Groups: 64, Act: Clip(-1, 1)}, []int{1, 3, 30, 29, 64}, []int{64, 3, 3, 3, 1}},
		} {
			x, w := normalTensor(1, c.x...), normalTensor(2, c.w...)
			for _, params := range [][]tensor.Tensor{{w}, {w, normalTensor(3, c.w[0])}} {
				p := &Prep{In: Specs([]tensor.Tensor{x}), Params: params, Threads: 1}
				spec, err := c.op.Infer(p.In, Specs(params))
				require.NoError(t, err)
				p.Out = spec
				_, err = c.op.Prepare(p)
				require.NoError(t, err)
				require.Equal(t, "depthwise/depth", p.Requests().Path)
				checkFast(t, &c.op, []tensor.Tensor{x}, params, 3e-6)
			}
		}
	})
}
