package onnx

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Networks in float16 or bfloat16 are computed in float32: those are storage
// types here. Between operators that compute, values stay wide; they are
// rounded only where something sees their type: a cast, an output.

// computesHalf names the operators whose 16-bit operands are widened and whose
// results then have the operands' type again.
func computesHalf() map[string]bool {
	half := map[string]bool{}
	for _, family := range []map[string]handler{layerOps(), mathOps(), unaryOps()} {
		for name := range family {
			half[name] = true
		}
	}
	for _, name := range []string{"Dropout", "Pow", "Where", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not"} {
		delete(half, name) // these look at types themselves
	}
	// Operators that only move elements may do it wide as well.
	for _, name := range []string{"Concat", "Expand", "Flatten", "Identity", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"} {
		half[name] = true
	}
	return half
}

// widenHalf replaces 16-bit operands by their float32 form and says which type
// there was.
func (c *call) widenHalf() (half tensor.DType, err error) {
	for i, v := range c.in {
		if v == nil || v.err != nil {
			continue
		}
		d := v.spec().DType
		if d != tensor.F16 && d != tensor.BF16 {
			continue
		}
		half = d
		if v.wide == nil {
			if v.isConst() {
				if !c.copies(2 * len(v.c.Data)) {
					return half, c.b.Err()
				}
				v.wide = c.known(v.name, widened(v.c))
			} else if v.wide, err = c.cast(v, tensor.F32); err != nil {
				return half, err
			}
			v.wide.hint = v.hint
			if !v.hint.IsZero() {
				v.wide.hint = widened(v.hint)
			}
		}
		c.in[i] = v.wide
	}
	return half, nil
}

// widened is a 16-bit constant in float32.
func widened(t tensor.Tensor) tensor.Tensor {
	out := tensor.New(tensor.Spec{DType: tensor.F32, Shape: t.Shape})
	f := out.F32()
	for i, b := range t.Bits16() {
		if t.DType == tensor.F16 {
			f[i] = halfFloat(b)
		} else {
			f[i] = math.Float32frombits(uint32(b) << 16)
		}
	}
	return out
}

// narrowHalf gives the float32 results the type their operands had.
func (c *call) narrowHalf(half tensor.DType) {
	if half == tensor.Invalid {
		return
	}
	for _, name := range c.n.outputs {
		if v := c.vals[name]; v != nil && name != "" && v.err == nil && v.spec().DType == tensor.F32 {
			c.vals[name] = &value{im: c.importer, name: name, id: -1, wide: v, half: half}
		}
	}
}
