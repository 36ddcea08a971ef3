package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// The integer operators of ONNX Runtime's quantiser: ONNX's in float32 between
// DequantizeLinear and QuantizeLinear, which quant_fuse.go makes integers again.

// real is input i, whose scale and zero point are the two that follow, dequantised.
func (s *sequence) real(i int, attrs ...attribute) string {
	return s.node("DequantizeLinear", []string{s.in(i), s.in(i + 1), s.in(i + 2)}, attrs...)
}

// quantized is x in the type of input as, by the scale and zero point of inputs i and i+1.
func (s *sequence) quantized(x string, as, i int) string {
	var attrs []attribute
	if s.in(i+1) == "" && s.c.in[as].spec().DType == tensor.I8 {
		attrs = append(attrs, intAttr("output_dtype", typeInt8))
	}
	return s.node("QuantizeLinear", []string{x, s.in(i), s.in(i + 1)}, attrs...)
}

// qLinearBinary is op of A and B, each with a scale and a zero point, as C's are.
func qLinearBinary(op string) handler {
	return func(c *call) error {
		if err := c.need(2); err != nil {
			return err
		}
		return c.replace(func(s *sequence) []string {
			return []string{s.quantized(s.node(op, []string{s.real(0), s.real(3)}), 0, 6)}
		})
	}
}

// qLinearUnary is op, which has these attributes, of X with its scale and zero point,
// as Y's are.
func qLinearUnary(op string, attrs ...string) handler {
	return func(c *call) error {
		if err := c.need(2); err != nil {
			return err
		}
		return c.replace(func(s *sequence) []string {
			return []string{s.quantized(s.node(op, []string{s.real(0)}, s.copied(attrs...)...), 0, 3)}
		})
	}
}

// qLinearSoftmax is Softmax as operator set "opset" has it.
func qLinearSoftmax(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		s.f.opset[""] = int64(c.int("opset", sequenceOpset))
		return []string{s.quantized(s.node("Softmax", []string{s.real(0)}, s.copied("axis")...), 0, 3)}
	})
}

// qLinearPool is op; with channels_last both ends of it are.
func qLinearPool(op string) handler {
	return func(c *call) error {
		if err := c.need(2); err != nil {
			return err
		}
		return c.replace(func(s *sequence) []string {
			attrs := s.copied("auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides")
			x := s.channels(s.real(0), toNCHW)
			return []string{s.quantized(s.channels(s.node(op, []string{x}, attrs...), toNHWC), 0, 3)}
		})
	}
}

// channels moves the channels of x, which has the rank of the first input, where the
// call's tensors have them last.
func (s *sequence) channels(x string, to func(rank int) []int) string {
	if !s.c.bool("channels_last", false) || s.c.in[0].rank() < 3 {
		return x
	}
	return s.node("Transpose", []string{x}, intsAttr("perm", to(s.c.in[0].rank())))
}

// qLinearConvNHWC is QLinearConv, whose activations may have their channels last.
func qLinearConvNHWC(c *call) error {
	if err := c.need(8); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		in := []string{s.channels(s.in(0), toNCHW)}
		for i := 1; i < len(c.n.inputs); i++ {
			in = append(in, s.in(i))
		}
		y := s.node("QLinearConv", in, s.copied("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")...)
		return []string{s.channels(y, toNHWC)}
	})
}

// nhwcMaxPool is MaxPool of integers with their channels last.
func nhwcMaxPool(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	rank := c.in[0].rank()
	if rank < 3 {
		return fmt.Errorf("the input has no spatial dimensions")
	}
	return c.replace(func(s *sequence) []string {
		x := s.node("Transpose", []string{s.in(0)}, intsAttr("perm", toNCHW(rank)))
		y := s.node("MaxPool", []string{x}, s.copied("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")...)
		return []string{s.node("Transpose", []string{y}, intsAttr("perm", toNHWC(rank)))}
	})
}

// qLinearConcat has the result's scale and zero point first, then each input with its own.
func qLinearConcat(c *call) error {
	if err := c.need(4); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		var in []string
		for i := 2; i < len(c.n.inputs); i += 3 {
			if s.in(i) == "" || s.in(i+1) == "" {
				s.err = formatf("QLinearConcat %q has no input %d", c.label(), i)
				return nil
			}
			in = append(in, s.real(i))
		}
		return []string{s.quantized(s.node("Concat", in, s.copied("axis")...), 2, 0)}
	})
}

// qLinearWhere: condition, X, its scale and zero point, Y, its, Z's.
func qLinearWhere(c *call) error {
	if err := c.need(6); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		return []string{s.quantized(s.node("Where", []string{s.in(0), s.real(1), s.real(4)}), 1, 7)}
	})
}

// qGemm: A, its scale and zero point, B, its, C in integers of the product's scale,
// the scale and zero point of the result, which is float32 where they are left out.
func qGemm(c *call) error {
	if err := c.need(5); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		columns := 1 - c.int("transB", 0) // the axis of B along which scales may differ
		in := []string{s.real(0), s.real(3, intAttr("axis", columns))}
		if s.in(6) != "" {
			unit := s.node("Mul", []string{s.in(1), s.in(4)})
			in = append(in, s.node("DequantizeLinear", []string{s.in(6), unit}, intAttr("axis", c.in[6].rank()-1)))
		}
		y := s.node("Gemm", in, s.copied("transA", "transB")...)
		if alpha := c.float("alpha", 1); alpha != 1 {
			y = s.node("Mul", []string{y, s.number(alpha)})
		}
		if s.in(7) != "" {
			y = s.quantized(y, 0, 7)
		}
		return []string{y}
	})
}

// matMulIntegerToFloat: A, B, their scales, their zero points, a bias in float32.
func matMulIntegerToFloat(c *call) error {
	if err := c.need(4); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		return []string{s.integerProduct(s.in(0), s.in(1), s.in(4), s.in(5), s.in(2), s.in(3), s.in(6))}
	})
}

// dynamicQuantizeMatMul: A in float32, which is quantised as it comes, B, its scale and
// zero point, a bias in float32.
func dynamicQuantizeMatMul(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		a := s.node("DynamicQuantizeLinear", []string{s.in(0)})
		scale, zero := a+"_scale", a+"_zero"
		n := s.f.nodes[len(s.f.nodes)-1]
		n.outputs = append(n.outputs, scale, zero)
		return []string{s.integerProduct(a, s.in(1), zero, s.in(3), scale, s.in(2), s.in(4))}
	})
}

// integerProduct is the product of integers in float32.
func (s *sequence) integerProduct(a, b, zeroA, zeroB, scaleA, scaleB, bias string) string {
	y := s.node("Cast", []string{s.node("MatMulInteger", []string{a, b, zeroA, zeroB})}, intAttr("to", typeFloat))
	y = s.node("Mul", []string{y, s.node("Mul", []string{scaleA, scaleB})})
	if bias != "" {
		y = s.node("Add", []string{y, bias})
	}
	return y
}
