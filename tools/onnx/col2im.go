package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

// importCol2Im: the columns are [n, c*taps, patches], ours have the patches
// before.
func importCol2Im(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	image, err := c.constInts(1, "the image's shape")
	if err != nil {
		return err
	}
	block, err := c.constInts(2, "the block's shape")
	if err != nil {
		return err
	}
	if c.in[0].rank() != 3 || len(block) != len(image) {
		return fmt.Errorf("columns %v, image %v, block %v", c.in[0].spec().Shape, image, block)
	}
	w, err := c.window(len(image), false)
	if err != nil {
		return err
	}
	w.Kernel = block
	return c.spatial(0, &ops.Col2Im{Window: w, Image: image}, c.in[0])
}
