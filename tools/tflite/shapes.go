package tflite

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Converters leave arithmetic on shapes in a network with an open batch: SHAPE
// → STRIDED_SLICE → PACK → RESHAPE. It is done here, once, on short vectors of
// numbers in which the open batch is a mark of its own.

// openBatch stands for the size of an open batch in a vector.
const openBatch = math.MinInt32

// vector is input i of an operator as known numbers.
func (im *importer) vector(o *operator, i int) ([]int, bool) {
	if !o.has(i) {
		return nil, false
	}
	t := o.inputs[i]
	if v, ok := im.vectors[t]; ok {
		return v, true
	}
	c, ok, err := im.tensorConst(t)
	if err != nil || !ok || c.Shape.Rank() > 1 || c.Shape.Elems() > 64 || (c.DType != tensor.I32 && c.DType != tensor.I64) {
		return nil, false
	}
	v, err := intsOf(c, "")
	return v, err == nil
}

// foldShape does an operator on known vectors and reports whether it could.
func (im *importer) foldShape(o *operator) bool {
	var v []int
	switch o.code.code {
	case opShape:
		t := o.inputs[0]
		if t < 0 || im.ids[t] < 0 {
			return false
		}
		v = im.spec(im.ids[t]).Shape.Dims()
		if len(v) > 0 && im.batched() && im.carriesBatch(t) {
			v[0] = openBatch
		}
	case opStridedSlice:
		if v = im.slicedVector(o); v == nil {
			return false
		}
	case opPack, opConcatenation:
		for i := range o.inputs {
			x, ok := im.vector(o, i)
			if !ok || len(v) > 64 {
				return false
			}
			v = append(v, x...)
		}
	case opGather:
		x, ok := im.vector(o, 0)
		at, ok1 := im.vector(o, 1)
		if !ok || !ok1 {
			return false
		}
		for _, i := range at {
			if i < 0 || i >= len(x) {
				return false
			}
			v = append(v, x[i])
		}
	case opReduceProd, opMul:
		p, ok := im.productOf(o)
		if !ok {
			return false
		}
		v = []int{p}
	case opCast, opReshape, opSqueeze, opExpandDims:
		x, ok := im.vectors[o.inputs[0]]
		if o.inputs[0] < 0 || !ok {
			return false
		}
		v = x
	default:
		return false
	}
	im.vectors[o.outputs[0]] = v
	return true
}

// slicedVector is a stretch of a known vector, nil where it is none or empty.
func (im *importer) slicedVector(o *operator) []int {
	x, ok := im.vector(o, 0)
	begin, ok1 := im.vector(o, 1)
	end, ok2 := im.vector(o, 2)
	step, ok3 := im.vector(o, 3)
	if !ok || !ok1 || !ok2 || !ok3 || len(begin) != 1 || len(end) != 1 || len(step) != 1 || step[0] != 1 {
		return nil
	}
	lo, hi := clampIndex(begin[0], len(x)), clampIndex(end[0], len(x))
	if o.options.int(0, 0)&1 != 0 {
		lo = 0
	}
	if o.options.int(1, 0)&1 != 0 {
		hi = len(x)
	}
	if o.options.int(4, 0)&1 != 0 { // one element, the dimension goes
		hi = lo + 1
	}
	if lo >= hi || hi > len(x) {
		return nil
	}
	return x[lo:hi]
}

// productOf is the product of a known vector's elements, or of two known numbers.
func (im *importer) productOf(o *operator) (p int, ok bool) {
	x, ok := im.vector(o, 0)
	if !ok {
		return 0, false
	}
	if o.code.code == opMul {
		y, ok := im.vector(o, 1)
		if !ok || len(x) != 1 || len(y) != 1 {
			return 0, false
		}
		x = []int{x[0], y[0]}
	}
	p = 1
	for _, n := range x {
		if n == openBatch || n < 0 || n > 1<<20 || p > 1<<20 {
			return 0, false
		}
		p *= n
	}
	return p, true
}

// batched reports whether any input leaves its batch open.
func (im *importer) batched() bool {
	for _, t := range im.m.graph.inputs {
		x := &im.m.graph.tensors[t]
		if _, fixed := im.shapes[x.name]; !fixed && len(x.signature) > 0 && x.signature[0] < 0 {
			return true
		}
	}
	return false
}

// carriesBatch reports whether a tensor's first dimension is the open batch:
// the file marks those that are.
func (im *importer) carriesBatch(t int) bool {
	s := im.m.graph.tensors[t].signature
	return len(s) > 0 && s[0] < 0
}

func clampIndex(i, n int) int {
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n)
}

// newShape is a target shape as Reshape takes it: 0 copies, -1 infers. x is
// what is reshaped; batch says that its first dimension is the open batch.
func newShape(target []int, x tensor.Shape, batch bool) []int {
	dims := append([]int(nil), target...)
	infers, rest := false, 1
	for i, d := range dims {
		if d == -1 || (d == openBatch && i != 0) {
			dims[i], infers = -1, true
			continue
		}
		if i > 0 {
			rest *= max(d, 1)
		}
	}
	if len(dims) == 0 {
		return dims
	}
	if dims[0] == openBatch {
		dims[0] = 0
	}
	// A target recorded for one image must follow the batch.
	if batch && !infers && dims[0] == x.Dim(0) && rest*dims[0] == x.Elems() {
		dims[0] = -1
	}
	return dims
}
