package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

var resizeModes = map[string]ops.ResizeMode{"nearest": ops.ResizeNearest, "linear": ops.ResizeLinear, "cubic": ops.ResizeCubic}

var resizeCoords = map[string]ops.ResizeCoord{
	"half_pixel": ops.CoordHalfPixel, "pytorch_half_pixel": ops.CoordPytorchHalfPixel, "align_corners": ops.CoordAlignCorners,
	"asymmetric": ops.CoordAsymmetric, "tf_crop_and_resize": ops.CoordTFCrop, "half_pixel_symmetric": ops.CoordHalfPixelSymmetric,
}

var resizeRounds = map[string]ops.ResizeRound{
	"round_prefer_floor": ops.RoundPreferFloor, "round_prefer_ceil": ops.RoundPreferCeil, "floor": ops.RoundFloor, "ceil": ops.RoundCeil,
}

// importResize reads Resize since operator set 10.
func importResize(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	mode, ok := resizeModes[c.string("mode", "nearest")]
	if !ok {
		return fmt.Errorf("mode is %q", c.string("mode", ""))
	}
	op := ops.Resize{
		Mode: mode, CubicA: c.float("cubic_coeff_a", -0.75), ExcludeOutside: c.bool("exclude_outside", false),
		Antialias: c.bool("antialias", false), Extrapolation: c.float("extrapolation_value", 0),
	}
	coord, round, scales := "half_pixel", "round_prefer_floor", 2
	if c.opset < 11 {
		coord, round, scales = "asymmetric", "floor", 1
	}
	coord, round = c.string("coordinate_transformation_mode", coord), c.string("nearest_mode", round)
	if op.Coord, ok = resizeCoords[coord]; !ok {
		return fmt.Errorf("coordinate_transformation_mode is %q", coord)
	}
	if op.Round, ok = resizeRounds[round]; !ok {
		return fmt.Errorf("nearest_mode is %q", round)
	}
	var roi []float32
	var err error
	if c.opset >= 11 && coord == "tf_crop_and_resize" {
		if roi, err = c.constFloats(1, "the region of interest"); err != nil {
			return err
		}
	}
	sc, err := c.constFloats(scales, "the scales")
	if err != nil {
		return err
	}
	var sizes []int
	if c.opset >= 11 {
		if sizes, _, err = c.constIntsBatch(3, "the sizes"); err != nil {
			return err
		}
	}
	return c.resize(op, sc, sizes, roi)
}

// resize spreads the lists over all axes and adds the operator, channels last.
func (c *call) resize(op ops.Resize, scales []float32, sizes []int, roi []float32) error {
	s := c.in[0].spec().Shape
	rank := s.Rank()
	axes := c.ints("axes")
	if axes == nil {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	var err error
	for i := range axes {
		if axes[i], err = axisIn(axes[i], rank); err != nil {
			return err
		}
	}
	n := len(axes)
	if len(scales) != 0 && len(scales) != n || len(sizes) != 0 && len(sizes) != n || len(roi) != 0 && len(roi) != 2*n || len(scales)+len(sizes) == 0 {
		return fmt.Errorf("%d scales, %d sizes and %d limits of the region for %d axes", len(scales), len(sizes), len(roi), n)
	}
	if len(sizes) == 0 && op.Coord == ops.CoordAlignCorners && c.m.producer == "pytorch" {
		sizes = c.whole(scales, axes)
	}
	if len(sizes) > 0 {
		scales = nil
		sizes, scales, err = keepAspect(c.string("keep_aspect_ratio_policy", "stretch"), s.Dims(), axes, sizes)
		if err != nil {
			return err
		}
	}
	l := layout{rank, rank >= 3}
	for i, a := range axes {
		to := l.axis(a)
		if scales != nil {
			if op.Scales == nil {
				op.Scales = ones(rank)
			}
			op.Scales[to] = scales[i]
		}
		if len(sizes) > 0 {
			if op.Sizes == nil {
				op.Sizes = make([]int, rank)
			}
			if op.Sizes[to] = sizes[i]; a == 0 && sizes[i] == s.Dim(a) {
				op.Sizes[to] = 0
			}
		}
		if len(roi) > 0 {
			if op.ROI == nil {
				op.ROI = append(make([]float32, rank), ones(rank)...)
			}
			op.ROI[to], op.ROI[rank+to] = roi[i], roi[n+i]
		}
	}
	return c.spatial(0, &op, c.in[0])
}

// whole is the sizes that scales give. By ONNX's intention (onnx/onnx issue 2462), and in its test cases, aligned
// corners are those of an output that is scale times in long, whether that is whole or not. PyTorch writes the
// scale that interpolate was given and aligns the corners of the output that there is.
func (c *call) whole(scales []float32, axes []int) []int {
	sizes := make([]int, len(scales))
	for i := range min(len(scales), len(axes)) {
		sizes[i] = int(float32(c.in[0].spec().Shape.Dim(axes[i])) * scales[i])
	}
	return sizes
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// keepAspect applies keep_aspect_ratio_policy: sizes are then limits, and one
// scale for all axes gives the real ones. Otherwise it returns no scales.
func keepAspect(policy string, dims, axes, sizes []int) ([]int, []float32, error) {
	if policy == "stretch" {
		return sizes, nil, nil
	}
	if policy != "not_larger" && policy != "not_smaller" {
		return nil, nil, fmt.Errorf("keep_aspect_ratio_policy is %q", policy)
	}
	var scale float32
	for i, a := range axes {
		if dims[a] == 0 {
			return nil, nil, fmt.Errorf("input has no elements")
		}
		x := float32(sizes[i]) / float32(dims[a])
		if i == 0 || (x < scale) == (policy == "not_larger") {
			scale = x
		}
	}
	out, scales := make([]int, len(axes)), make([]float32, len(axes))
	for i, a := range axes {
		out[i] = int(scale*float32(dims[a]) + 0.5)
		scales[i] = scale
	}
	return out, scales, nil
}

// importUpsample is Resize's predecessor.
func importUpsample(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	op := ops.Resize{Coord: ops.CoordAsymmetric, Round: ops.RoundFloor}
	switch m := c.string("mode", "nearest"); m {
	case "nearest":
		op.Mode = ops.ResizeNearest
	case "linear", "bilinear":
		op.Mode = ops.ResizeLinear
	default:
		return fmt.Errorf("mode is %q", m)
	}
	var scales []float32
	if a := c.attr("scales"); a != nil {
		scales = a.floats
	} else {
		var err error
		if scales, err = c.constFloats(1, "the scales"); err != nil {
			return err
		}
	}
	return c.resize(op, scales, nil, nil)
}

func importDepthToSpace(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	op := &ops.DepthToSpace{Block: c.int("blocksize", 0)}
	switch m := c.string("mode", "DCR"); m {
	case "DCR":
	case "CRD":
		op.CRD = true
	default:
		return fmt.Errorf("mode is %q", m)
	}
	return c.spatial(0, op, c.in[0])
}

func importSpaceToDepth(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	return c.spatial(0, &ops.SpaceToDepth{Block: c.int("blocksize", 0)}, c.in[0])
}
