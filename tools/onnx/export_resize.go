package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

var resizeNames = [...]string{"nearest", "linear", "cubic"}
var coordNames = [...]string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize", "half_pixel_symmetric"}
var roundNames = [...]string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}

// exportResize gives scales rather than sizes, which would name the batch.
func exportResize(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Resize)
	var a attrs
	a.str("mode", resizeNames[op.Mode])
	a.str("coordinate_transformation_mode", coordNames[op.Coord])
	a.str("nearest_mode", roundNames[op.Round])
	if op.CubicA != 0 {
		a.float("cubic_coeff_a", op.CubicA)
	}
	a.bool("exclude_outside", op.ExcludeOutside)
	a.bool("antialias", op.Antialias)
	a.float("extrapolation_value", op.Extrapolation)
	from, to := e.operandSpec(n, 0).Shape, n.Out.Shape
	rank := from.Rank()
	scales := ones(rank)
	var roi []float32
	for i := range rank {
		j := layoutAxis(rank, i)
		if i > 0 {
			scales[j] = resizeScale(op, from.Dim(i), to.Dim(i), i, rank)
			if op.Scales != nil && op.Scales[i] != 0 && int(float32(from.Dim(i))*op.Scales[i]) == to.Dim(i) || op.Coord == ops.CoordTFCrop && op.Scales != nil {
				scales[j] = op.Scales[i]
			}
		}
		if op.ROI != nil {
			if roi == nil {
				roi = make([]float32, 2*rank)
			}
			roi[j], roi[rank+j] = op.ROI[i], op.ROI[rank+i]
		}
	}
	in := []string{e.images(n, 1)[0], ""}
	if roi != nil {
		in[1] = e.w.floats(n.Name+"_roi", roi...)
	}
	if op.Coord == ops.CoordTFCrop && op.Scales == nil {
		if e.g.Batched() {
			return fmt.Errorf("a crop to given sizes at every batch")
		}
		in = append(in, "", e.w.ints(n.Name+"_sizes", permuted(to.Dims(), resizePerm(rank))))
	} else {
		in = append(in, e.w.floats(n.Name+"_scales", scales...))
	}
	e.setNCHW(id, e.emit("Resize", n.Name, &a, in...))
	return nil
}

func resizePerm(rank int) []int {
	if rank < 3 {
		return []int{0, 1}[:rank]
	}
	return toNCHW(rank)
}

// resizeScale is out/in, rounded so that in*scale is not less than out: in float32, and for readers that
// multiply in float64 too, unless the next number up takes another neighbour at some position.
func resizeScale(op *ops.Resize, in, out, axis, rank int) float32 {
	s := float32(out) / float32(in)
	for int(float32(in)*s) < out {
		s = math.Nextafter32(s, math.MaxFloat32)
	}
	up := math.Nextafter32(s, math.MaxFloat32)
	if in == out || int(float64(in)*float64(s)) >= out || int(float32(in)*up) > out {
		return s
	}
	wide := *op
	wide.Scales = make([]float32, rank)
	wide.Scales[axis] = up
	for x := range out {
		_, want := op.Source(x, in, out, axis, rank)
		if _, got := wide.Source(x, in, out, axis, rank); got != want {
			return s
		}
	}
	return up
}

// layoutAxis is where axis i of an NHWC value lies in its NCHW form.
func layoutAxis(rank, i int) int {
	if rank < 3 {
		return i
	}
	return slices.Index(toNCHW(rank), i)
}

func exportDepthToSpace(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.DepthToSpace)
	var a attrs
	a.int("blocksize", op.Block)
	if op.CRD {
		a.str("mode", "CRD")
	}
	e.setNCHW(id, e.emit("DepthToSpace", n.Name, &a, e.images(n, 1)...))
	return nil
}

func exportSpaceToDepth(e *exporter, id graph.ID, n *graph.Node) error {
	var a attrs
	a.int("blocksize", n.Op.(*ops.SpaceToDepth).Block)
	e.setNCHW(id, e.emit("SpaceToDepth", n.Name, &a, e.images(n, 1)...))
	return nil
}

func exportCol2Im(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Col2Im)
	var a attrs
	w := op.Window
	w.Kernel = nil
	a.window(&w)
	in := append(e.images(n, 1), e.w.ints(n.Name+"_image", op.Image), e.w.ints(n.Name+"_block", op.Kernel))
	e.setNCHW(id, e.emit("Col2Im", n.Name, &a, in...))
	return nil
}
