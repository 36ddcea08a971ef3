package onnx

import (
	"slices"

	"github.com/teff-ml/teff/ops"
)

// groups is what exporters make of a group norm: channels are reshaped to groups
// [n, groups, rest], normalised as channels of one scale, and reshaped back.
type groups struct {
	of   *value // what was reshaped
	norm bool   // the value is the norm of that, by op
	op   ops.GroupNorm
}

func importInstanceNorm(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	eps := c.float("epsilon", 1e-5)
	if err := c.spatial(0, &ops.GroupNorm{Eps: eps}, c.in[0], c.in[1], c.in[2]); err != nil || !c.wants(0) {
		return err
	}
	x := c.in[0]
	if x.groups == nil || x.groups.norm || !allAre(c.in[1], 1) || !allAre(c.in[2], 0) {
		return nil
	}
	from, to := x.groups.of.spec().Shape, x.spec().Shape
	if from.Rank() < 3 || to.Rank() != 3 || from.Dim(0) != to.Dim(0) || to.Dim(1) < 1 || from.Dim(1)%to.Dim(1) != 0 {
		return nil
	}
	c.vals[c.n.outputs[0]].groups = &groups{of: x.groups.of, norm: true, op: ops.GroupNorm{Groups: to.Dim(1), Eps: eps}}
	return nil
}

// ungroup is the reshape back of a group norm, as one operator; done is false for
// other reshapes.
func (c *call) ungroup(dims []int) (done bool, err error) {
	g := c.in[0].groups
	if g == nil || !g.norm || !slices.Equal(g.of.spec().Shape.Dims(), dims) {
		return false, nil
	}
	return true, c.spatial(0, &ops.GroupNorm{Groups: g.op.Groups, Eps: g.op.Eps}, g.of)
}

// allAre says that a value is known and every element of it is v.
func allAre(x *value, v float32) bool {
	return x.isConst() && !slices.ContainsFunc(x.c.F32(), func(e float32) bool { return e != v })
}
