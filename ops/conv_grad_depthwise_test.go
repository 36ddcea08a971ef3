package ops

import (
	"fmt"
	"testing"
)

// TestConvGradRows checks gradients of depthwise layers whose taps go together, and of 1x1 layers with a stride, as
// TestConvGradGrouped does: images of one row and column, parts that begin amid an image, channels that fill no vector.
func TestConvGradRows(t *testing.T) {
	for _, c := range []struct{ n, h, w, ic, oc, side, stride int }{
		{1, 1, 1, 5, 5, 3, 1}, {2, 2, 3, 8, 8, 3, 1}, {3, 7, 5, 19, 19, 3, 1}, {1, 40, 60, 9, 9, 3, 1}, {5, 3, 4, 65, 65, 3, 1},
		{1, 2, 2, 5, 5, 3, 2}, {3, 6, 8, 20, 20, 3, 2}, {2, 18, 70, 9, 9, 3, 2}, {2, 9, 8, 16, 16, 3, 2},
		{5, 12, 12, 112, 60, 1, 2}, {3, 15, 14, 130, 50, 1, 2}, {4, 13, 13, 800, 48, 1, 2}, {2, 9, 9, 20, 30, 1, 3},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			op := &Conv{Window: Window{Stride: []int{c.stride, c.stride}, PadLo: []int{c.side / 2, c.side / 2}, PadHi: []int{c.side / 2, c.side / 2}}}
			width := c.ic
			if c.side > 1 {
				op.Groups, width = c.ic, 1
			}
			checkConvGrad(t, op, normalTensor(5, c.n, c.h, c.w, c.ic), normalTensor(6, c.oc, c.side, c.side, width))
		})
	}
}
