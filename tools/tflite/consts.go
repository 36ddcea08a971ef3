package tflite

import (
	"encoding/binary"
	"fmt"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/ops/tensor"
)

// tensorConst is a tensor's value if it is known now.
func (im *importer) tensorConst(t int) (c tensor.Tensor, ok bool, err error) {
	if t < 0 {
		return c, false, nil
	}
	if c, ok := im.known[t]; ok {
		return c, true, nil
	}
	x := &im.m.graph.tensors[t]
	if v, ok := im.vectors[t]; ok {
		return im.vectorConst(t, v)
	}
	if x.data == nil {
		return c, false, nil
	}
	s, err := tensor.NewShape(x.shape...)
	if err != nil {
		return c, false, fmt.Errorf("constant %q: %w", x.name, err)
	}
	c = tensor.Tensor{Spec: tensor.Spec{DType: dtype(x.typ), Shape: s, Quant: x.quant}, Data: x.data}
	if !c.DType.Valid() {
		return c, false, fmt.Errorf("constant %q is %s", x.name, typeName(x.typ))
	}
	if len(c.Data) != c.Bytes() {
		return c, false, fmt.Errorf("constant %q: %d bytes for %v, which takes %d", x.name, len(c.Data), c.Spec, c.Bytes())
	}
	if !tensor.Aligned(c.Data, c.DType.Size()) {
		if err := im.spend(len(c.Data)); err != nil {
			return c, false, err
		}
		c = c.Clone()
	}
	if err := c.Check(); err != nil {
		return c, false, fmt.Errorf("constant %q: %w", x.name, err)
	}
	c.Quant = tidy(c.Quant)
	im.known[t] = c
	return c, true, nil
}

// vectorConst is a known vector as a constant of the type the file declares.
func (im *importer) vectorConst(t int, v []int) (c tensor.Tensor, ok bool, err error) {
	x := &im.m.graph.tensors[t]
	s, err := tensor.NewShape(x.shape...)
	if err != nil || s.Elems() != len(v) {
		return c, false, fmt.Errorf("shape arithmetic of %q gives %d numbers for shape %v", x.name, len(v), x.shape)
	}
	i64 := make([]int64, len(v))
	i32 := make([]int32, len(v))
	for i, n := range v {
		if n == openBatch {
			return c, false, refuse("fix the batch when converting", "%q depends on the batch size", x.name)
		}
		i64[i], i32[i] = int64(n), int32(n)
	}
	switch dtype(x.typ) {
	case tensor.I32:
		c = tensor.FromI32(i32, x.shape...)
	case tensor.I64:
		c = tensor.FromI64(i64, x.shape...)
	default:
		return c, false, fmt.Errorf("shape arithmetic of %q in %s", x.name, typeName(x.typ))
	}
	im.known[t] = c
	return c, true, nil
}

// tidy drops zero points that are all 0.
func tidy(q tensor.Quant) tensor.Quant {
	for _, z := range q.Zero {
		if z != 0 {
			return q
		}
	}
	q.Zero = nil
	return q
}

// constant is input i of an operator if it is known now.
func (im *importer) constant(o *operator, i int) (tensor.Tensor, bool, error) {
	if !o.has(i) {
		return tensor.Tensor{}, false, nil
	}
	return im.tensorConst(o.inputs[i])
}

// spend takes n bytes from what may be made out of constants: a small file
// could ask for the same weights many times.
func (im *importer) spend(n int) error {
	if n > im.budget {
		return fmt.Errorf("the file unfolds to far more than its size")
	}
	im.budget -= n
	return nil
}

// ints is input i of an operator as numbers that must be known now: axes,
// shapes, paddings.
func (im *importer) ints(o *operator, i int, what string) ([]int, error) {
	if !o.has(i) {
		return nil, fmt.Errorf("%s is missing", what)
	}
	if v, ok := im.vectors[o.inputs[i]]; ok {
		for _, n := range v {
			if n == openBatch {
				return nil, refuse("", "%s depends on the batch size", what)
			}
		}
		return v, nil
	}
	c, ok, err := im.constant(o, i)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refuse("fix the shapes when converting", "%s is computed while the network runs", what)
	}
	return intsOf(c, what)
}

// number is ints where it must be one.
func (im *importer) number(o *operator, i int, what string) (int, error) {
	v, err := im.ints(o, i, what)
	if err == nil && len(v) != 1 {
		err = refuse("", "%s is %d numbers", what, len(v))
	}
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

func intsOf(c tensor.Tensor, what string) ([]int, error) {
	n := c.Shape.Elems()
	if n > 64 {
		return nil, fmt.Errorf("%s has %d numbers", what, n)
	}
	v := make([]int, n)
	for i := range v {
		switch c.DType {
		case tensor.I32:
			v[i] = int(c.I32()[i])
		case tensor.I64:
			v[i] = int(c.I64()[i])
		default:
			return nil, fmt.Errorf("%s is %v, want integers", what, c.DType)
		}
	}
	return v, nil
}

// floats32 is c in float32: float16 widened, quantised integers made real.
func (im *importer) floats32(c tensor.Tensor) (tensor.Tensor, error) {
	if c.DType == tensor.F32 {
		return c, nil
	}
	n := c.Shape.Elems()
	if err := im.spend(4 * n); err != nil {
		return c, err
	}
	out := tensor.New(tensor.Spec{DType: tensor.F32, Shape: c.Shape})
	y := out.F32()
	switch {
	case c.DType == tensor.F16:
		for i := range y {
			y[i] = float16.Frombits(binary.LittleEndian.Uint16(c.Data[2*i:])).Float32()
		}
	case (c.DType.IsInt8() || c.DType == tensor.I32) && !c.Quant.IsZero():
		inner := 1
		if len(c.Quant.Scale) > 1 {
			for i := c.Quant.Axis + 1; i < c.Shape.Rank(); i++ {
				inner *= c.Shape.Dim(i)
			}
		}
		for i := range y {
			s, z := c.Quant.At(i / inner % len(c.Quant.Scale))
			y[i] = float32(rawInt(c, i)-z) * s
		}
	default:
		return c, fmt.Errorf("%v cannot be made float32", c.Spec)
	}
	return out, nil
}

func rawInt(c tensor.Tensor, i int) int32 {
	switch c.DType {
	case tensor.I8:
		return int32(c.I8()[i])
	case tensor.U8:
		return int32(c.U8()[i])
	}
	return c.I32()[i]
}

// permuted is c with its dimensions in another order: dimension i of the
// result is dimension perm[i] of c. The quantisation axis moves along.
func (im *importer) permuted(c tensor.Tensor, perm ...int) (tensor.Tensor, error) {
	if err := im.spend(len(c.Data)); err != nil {
		return c, err
	}
	dims := make([]int, len(perm))
	from := c.Shape.Strides()
	size := c.DType.Size()
	for i, p := range perm {
		dims[i] = c.Shape.Dim(p)
	}
	out := tensor.New(tensor.Spec{DType: c.DType, Shape: tensor.Of(dims...), Quant: c.Quant})
	if len(c.Quant.Scale) > 1 {
		for i, p := range perm {
			if p == c.Quant.Axis {
				out.Quant.Axis = i
			}
		}
	}
	at := make([]int, len(perm))
	for i := 0; i < len(out.Data); i += size {
		src := 0
		for j, p := range perm {
			src += at[j] * from[p]
		}
		copy(out.Data[i:i+size], c.Data[src*size:])
		for j := len(perm) - 1; j >= 0; j-- {
			if at[j]++; at[j] < dims[j] {
				break
			}
			at[j] = 0
		}
	}
	return out, nil
}
