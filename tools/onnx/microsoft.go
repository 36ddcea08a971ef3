package onnx

import "fmt"

// ONNX Runtime has operators of its own, in the domain com.microsoft: those of its
// quantiser's integer networks (microsoft_quant.go) and those that its optimiser
// makes of several of ONNX's. Each that is read here is a function of ONNX's
// operators, as ContribOperators.md of ONNX Runtime describes it, so that the rest of
// the importer sees what was there before.

// microsoftOps are the handlers of the domain com.microsoft.
func microsoftOps() map[string]handler {
	return map[string]handler{
		"BiasGelu":                 biasGelu("none"),
		"DequantizeLinear":         importDequantize,
		"DynamicQuantizeMatMul":    dynamicQuantizeMatMul,
		"FastGelu":                 biasGelu("tanh"),
		"FusedConv":                fusedConv,
		"FusedGemm":                fusedGemm,
		"FusedMatMul":              fusedMatMul,
		"Gelu":                     importGelu,
		"GridSample":               importGridSample,
		"MatMulIntegerToFloat":     matMulIntegerToFloat,
		"NhwcMaxPool":              nhwcMaxPool,
		"QGemm":                    qGemm,
		"QLinearAdd":               qLinearBinary("Add"),
		"QLinearAveragePool":       qLinearPool("AveragePool"),
		"QLinearConcat":            qLinearConcat,
		"QLinearConv":              qLinearConvNHWC,
		"QLinearGlobalAveragePool": qLinearPool("GlobalAveragePool"),
		"QLinearLeakyRelu":         qLinearUnary("LeakyRelu", "alpha"),
		"QLinearMul":               qLinearBinary("Mul"),
		"QLinearSigmoid":           qLinearUnary("Sigmoid"),
		"QLinearSoftmax":           qLinearSoftmax,
		"QLinearWhere":             qLinearWhere,
		"QuantizeLinear":           importQuantize,
		"QuickGelu":                quickGelu,
		"SkipLayerNormalization":   skipLayerNorm,
		"Trilu":                    importTrilu,
	}
}

// activated is x through the activation of a fused operator.
func (s *sequence) activated(x, fn string, params ...float32) string {
	switch {
	case fn == "":
		return x
	case fn == "Relu" || fn == "Sigmoid" || fn == "Tanh":
		return s.node(fn, []string{x})
	case fn == "LeakyRelu" && len(params) >= 1:
		return s.node(fn, []string{x}, floatAttr("alpha", params[0]))
	case fn == "HardSigmoid" && len(params) >= 2:
		return s.node(fn, []string{x}, floatAttr("alpha", params[0]), floatAttr("beta", params[1]))
	case fn == "Clip" && len(params) >= 2:
		return s.node(fn, []string{x, s.number(params[0]), s.number(params[1])})
	}
	s.err = fmt.Errorf("the activation is %q with %d parameters", fn, len(params))
	return x
}

// fusedConv is Conv, the sum with a fourth input where there is one, an activation.
func fusedConv(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		var params []float32
		if a := c.attr("activation_params"); a != nil {
			params = a.floats
		}
		y := s.node("Conv", []string{s.in(0), s.in(1), s.in(2)}, s.copied("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")...)
		if z := s.in(3); z != "" {
			y = s.node("Add", []string{y, z})
		}
		return []string{s.activated(y, c.string("activation", ""), params...)}
	})
}

// fusedGemm is Gemm and an activation, whose parameters are attributes each.
func fusedGemm(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		var params []float32
		for _, name := range []string{"activation_alpha", "activation_beta", "activation_gamma"} {
			if c.has(name) {
				params = append(params, c.float(name, 0))
			}
		}
		y := s.node("Gemm", []string{s.in(0), s.in(1), s.in(2)}, s.copied("alpha", "beta", "transA", "transB")...)
		return []string{s.activated(y, c.string("activation", ""), params...)}
	})
}

// fusedMatMul is a product of matrices that may be transposed, times a number.
func fusedMatMul(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if c.bool("transBatchA", false) || c.bool("transBatchB", false) {
		return fmt.Errorf("transBatchA and transBatchB are not supported")
	}
	return c.replace(func(s *sequence) []string {
		y := s.node("MatMul", []string{s.lastTwo(0, "transA"), s.lastTwo(1, "transB")})
		if alpha := c.float("alpha", 1); alpha != 1 {
			y = s.node("Mul", []string{y, s.number(alpha)})
		}
		return []string{y}
	})
}

// lastTwo is input i with its last two dimensions exchanged where the attribute says so.
func (s *sequence) lastTwo(i int, attr string) string {
	rank := s.c.in[i].rank()
	if !s.c.bool(attr, false) || rank < 2 {
		return s.in(i)
	}
	perm := make([]int, rank)
	for k := range perm {
		perm[k] = k
	}
	perm[rank-2], perm[rank-1] = rank-1, rank-2
	return s.node("Transpose", []string{s.in(i)}, intsAttr("perm", perm))
}

// biasGelu is a sum with a vector, where there is one, and Gelu.
func biasGelu(approximate string) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		return c.replace(func(s *sequence) []string {
			x := s.in(0)
			if b := s.in(1); b != "" {
				x = s.node("Add", []string{x, b})
			}
			return []string{s.node("Gelu", []string{x}, stringAttr("approximate", approximate))}
		})
	}
}

// quickGelu is x times the logistic function of alpha x.
func quickGelu(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		return []string{s.node("Swish", []string{s.in(0)}, floatAttr("alpha", c.float("alpha", 1.702)))}
	})
}

// skipLayerNorm is LayerNormalization of the sum of two inputs and, where there is
// one, a vector (input 4); output 3 is the sum.
func skipLayerNorm(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	if c.wants(1) || c.wants(2) {
		return fmt.Errorf("outputs 1 and 2 are not supported")
	}
	return c.replace(func(s *sequence) []string {
		sum := s.node("Add", []string{s.in(0), s.in(1)})
		if b := s.in(4); b != "" {
			sum = s.node("Add", []string{sum, b})
		}
		y := s.node("LayerNormalization", []string{sum, s.in(2), s.in(3)}, floatAttr("epsilon", c.float("epsilon", 1e-12)))
		return []string{y, "", "", sum}[:max(1, len(c.n.outputs))]
	})
}
