package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

var scatterFns = map[string]ops.ScatterFn{"none": ops.ScatterSet, "add": ops.ScatterAdd, "mul": ops.ScatterMul, "max": ops.ScatterMax, "min": ops.ScatterMin}

// importScatter is ScatterElements (Scatter before operator set 11) or, with
// nd, ScatterND.
func importScatter(nd bool) handler {
	return func(c *call) error {
		if err := c.need(3); err != nil {
			return err
		}
		fn, ok := scatterFns[c.string("reduction", "none")]
		if !ok {
			return fmt.Errorf("reduction is %q", c.string("reduction", ""))
		}
		return c.out(&ops.Scatter{Axis: c.int("axis", 0), ND: nd, Fn: fn}, c.in[:3]...)
	}
}
