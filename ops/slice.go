package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Slice takes every Steps-th element from Starts to before Ends along Axes
// (empty: the first ones). Negative starts and ends count from the end of the
// dimension and all are clamped to it, as in ONNX; a negative step walks back.
type Slice struct {
	Starts, Ends, Axes, Steps []int
}

// Kind is KindSlice.
func (*Slice) Kind() Kind { return KindSlice }

// Fields lists the attributes.
func (s *Slice) Fields(f Fields) {
	f.Ints("starts", &s.Starts)
	f.Ints("ends", &s.Ends)
	f.Ints("axes", &s.Axes)
	f.Ints("steps", &s.Steps)
}

// resolve is the first index, step and extent along each dimension.
func (s *Slice) resolve(x tensor.Shape) (first, step, dims []int, err error) {
	n := len(s.Starts)
	if len(s.Ends) != n || len(s.Axes) != 0 && len(s.Axes) != n || len(s.Steps) != 0 && len(s.Steps) != n || n > x.Rank() {
		return nil, nil, nil, errf(KindSlice, "%d starts, %d ends, %d axes, %d steps on %v", n, len(s.Ends), len(s.Axes), len(s.Steps), x)
	}
	dims = x.Dims()
	first, step = make([]int, len(dims)), make([]int, len(dims))
	for i := range step {
		step[i] = 1
	}
	seen := map[int]bool{}
	for i, start := range s.Starts {
		axis := i
		if len(s.Axes) > 0 {
			axis = s.Axes[i]
		}
		axis, ok := normAxis(axis, len(dims))
		if !ok || seen[axis] {
			return nil, nil, nil, errf(KindSlice, "axes %v of %v", s.Axes, x)
		}
		seen[axis] = true
		st := 1
		if len(s.Steps) > 0 {
			st = s.Steps[i]
		}
		if st == 0 {
			return nil, nil, nil, errf(KindSlice, "step 0")
		}
		d, end := dims[axis], s.Ends[i]
		if start < 0 {
			start += d
		}
		if end < 0 {
			end = max(end, -d-1) + d
		}
		if st > 0 {
			start, end = min(max(start, 0), d), min(max(end, 0), d)
			dims[axis] = max(0, (end-start-1)/st+1)
			if end <= start {
				dims[axis] = 0
			}
		} else {
			start, end = min(max(start, 0), d-1), min(max(end, -1), d-1)
			dims[axis] = 0
			if start > end {
				back := max(st, -math.MaxInt) // -MinInt is no number
				dims[axis] = (start-end-1)/-back + 1
			}
		}
		first[axis], step[axis] = start, st
		if dims[axis] <= 1 {
			step[axis] = 1
		}
	}
	return first, step, dims, nil
}

// Walk is where the slice of x starts along each dimension and how it steps, as
// indices of x, for backends that copy by strides.
func (s *Slice) Walk(x tensor.Shape) (first, step []int, err error) {
	first, step, _, err = s.resolve(x)
	return first, step, err
}

// Infer is the extents that are left.
func (s *Slice) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindSlice, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	_, _, dims, err := s.resolve(o[0].Shape)
	if err != nil {
		return tensor.Spec{}, err
	}
	if len(o[0].Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindSlice, "of a tensor quantised per channel")
	}
	shape, err := tensor.NewShape(dims...)
	return tensor.Spec{DType: o[0].DType, Shape: shape, Quant: o[0].Quant}, err
}

func (s *Slice) mover(x, out *tensor.Spec) (*mover, error) {
	first, step, dims, err := s.resolve(x.Shape)
	if err != nil {
		return nil, err
	}
	src, at := denseStrides(x.Shape), 0
	for i := range src {
		at += first[i] * src[i]
		src[i] *= step[i]
	}
	return newMover(x.DType.Size(), dims, src, denseStrides(out.Shape), at, 0), nil
}

// Prepare copies the box.
func (s *Slice) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	m, err := s.mover(x, &p.Out)
	if err != nil {
		return nil, err
	}
	return newMoveKernel(p, m), nil
}

// Keeps is nothing.
func (*Slice) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward adds into the box.
func (s *Slice) Backward(p *GradPrep) (GradKernel, error) {
	m, err := s.mover(&p.In[0], &p.Out)
	if err != nil {
		return nil, err
	}
	return newMoveGrad(p, m, false), nil
}
