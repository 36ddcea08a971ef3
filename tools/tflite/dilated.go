package tflite

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Older converters write a dilated convolution as three operators: SPACE_TO_BATCH_ND
// puts the pixels of each phase of a block into an image of its own, a convolution
// without dilation goes over those, BATCH_TO_SPACE_ND puts them back and crops. They
// become the one convolution here: its dilation is the block, its padding what was
// padded less what is cropped. Images in phases are nothing that a graph could hold,
// whose batch stays open, so any other operator between the two is refused.

// phases is a tensor whose images are in phases: x before the first operator, or, once
// there was one, the convolution that waits for what is cropped.
type phases struct {
	x      graph.ID
	block  [2]int
	lo, hi [2]int // padding of height and width
	conv   *ops.Conv
	params []tensor.Tensor
	in     []graph.ID
}

// pairs are input i as rows of two.
func (im *importer) pairs(o *operator, i int, what string) (lo, hi [2]int, err error) {
	v, err := im.ints(o, i, what)
	if err != nil {
		return lo, hi, err
	}
	if len(v) != 4 {
		return lo, hi, refuse("", "%s %v, want those of height and width", what, v)
	}
	for _, n := range v {
		if n < 0 || n > 1<<16 {
			return lo, hi, refuse("", "%s %v", what, v)
		}
	}
	return [2]int{v[0], v[2]}, [2]int{v[1], v[3]}, nil
}

// blocks are the sizes of a block, input 1.
func (im *importer) blocks(o *operator) (b [2]int, err error) {
	v, err := im.ints(o, 1, "the block")
	if err != nil {
		return b, err
	}
	if len(v) != 2 || v[0] < 1 || v[1] < 1 || v[0] > 1<<10 || v[1] > 1<<10 {
		return b, refuse("", "blocks of %v, want those of height and width", v)
	}
	return [2]int{v[0], v[1]}, nil
}

func spaceToBatch(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	p := &phases{x: x}
	if p.block, err = im.blocks(o); err != nil {
		return err
	}
	if p.lo, p.hi, err = im.pairs(o, 2, "the padding"); err != nil {
		return err
	}
	s := im.spec(x).Shape
	if s.Rank() != 4 {
		return refuse("", "of %v, want 4 dimensions", s)
	}
	for i, b := range p.block {
		if n := s.Dim(1+i) + p.lo[i] + p.hi[i]; n%b != 0 {
			return refuse("", "%d padded elements in blocks of %d", n, b)
		}
	}
	im.phased[o.outputs[0]] = p
	return nil
}

// dilated has the convolution wait whose input is in phases.
func (im *importer) dilated(o *operator, p *phases, c *ops.Conv, w tensor.Shape, params []tensor.Tensor, in []graph.ID) error {
	if p.conv != nil {
		return refuse("", "a second operator between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND")
	}
	if w.Rank() != 4 {
		return refuse("", "weights %v", w)
	}
	q := *p
	for i := range 2 {
		if c.Stride[i] != 1 {
			return refuse("", "stride %d between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND", c.Stride[i])
		}
		if c.Auto != ops.PadValid { // as it pads each phase
			more := (w.Dim(1+i) - 1) * c.Dilation[i]
			q.lo[i] += more / 2 * q.block[i]
			q.hi[i] += (more - more/2) * q.block[i]
		}
		c.Dilation[i] *= q.block[i]
	}
	c.Auto = ops.PadExplicit
	q.conv, q.params, q.in = c, params, in
	im.phased[o.outputs[0]] = &q
	return nil
}

// batchToSpace adds the convolution that waits.
func batchToSpace(im *importer, o *operator) error {
	var p *phases
	if t := o.inputs[0]; t >= 0 {
		p = im.phased[t]
	}
	if p == nil || p.conv == nil {
		return refuse("", "without a SPACE_TO_BATCH_ND and one convolution before")
	}
	block, err := im.blocks(o)
	if err != nil {
		return err
	}
	if block != p.block {
		return refuse("", "blocks of %v after those of %v", block, p.block)
	}
	lo, hi, err := im.pairs(o, 2, "the cropping")
	if err != nil {
		return err
	}
	c := *p.conv
	c.PadLo, c.PadHi = make([]int, 2), make([]int, 2)
	var crop ops.Slice
	for i := range 2 {
		c.PadLo[i], c.PadHi[i] = max(0, p.lo[i]-lo[i]), max(0, p.hi[i]-hi[i])
		if from, to := max(0, lo[i]-p.lo[i]), max(0, hi[i]-p.hi[i]); from+to > 0 { // more than was padded
			end := -to
			if to == 0 {
				end = 1 << 30
			}
			crop.Axes, crop.Starts, crop.Ends = append(crop.Axes, 1+i), append(crop.Starts, from), append(crop.Ends, end)
		}
	}
	y := im.b.Add(im.outName(o), &c, p.params, p.in...)
	if crop.Axes != nil {
		y = im.b.Add(im.outName(o)+"/cropped", &crop, nil, y)
	}
	return im.set(o, 0, y)
}
