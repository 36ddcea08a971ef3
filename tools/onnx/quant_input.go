package onnx

import "github.com/teff-ml/teff/ops/tensor"

// inputQuant is what the model says of an integer input's scale: that of the
// DequantizeLinear nodes that read it, if they agree and nothing else does.
func (im *importer) inputQuant(name string) tensor.Quant {
	if im.readers == nil {
		im.readers = map[string][]*node{}
		for _, n := range im.m.graph.nodes {
			for i, in := range n.inputs {
				if i > 0 {
					n = otherOperand
				}
				im.readers[in] = append(im.readers[in], n)
			}
		}
	}
	var q tensor.Quant
	steps := 0
	if !im.agree(name, &q, &steps) {
		return tensor.Quant{}
	}
	return q
}

// otherOperand stands for a node that reads a value as anything but its first
// operand.
var otherOperand = &node{op: "other operand"}

// agree collects the scale that all readers of a value take it to have.
func (im *importer) agree(name string, q *tensor.Quant, steps *int) bool {
	for _, n := range im.readers[name] {
		if *steps++; *steps > 100 {
			return false
		}
		switch {
		case n.domain != "":
			return false
		case (n.op == "Transpose" || n.op == "Reshape") && len(n.outputs) == 1:
			if !im.agree(n.outputs[0], q, steps) {
				return false
			}
		case n.op == "DequantizeLinear":
			c := &call{importer: im, n: n, opset: im.opset}
			c.in = make([]*value, len(n.inputs))
			for i, in := range n.inputs {
				c.in[i] = im.vals[in] // nil unless a constant
			}
			if len(n.inputs) > 2 && n.inputs[2] != "" && c.in[2] == nil {
				return false
			}
			s, z, ok := c.affine(1)
			if !ok || !q.IsZero() && !q.Equal(tensor.Affine(s, z)) {
				return false
			}
			*q = tensor.Affine(s, z)
		default:
			return false
		}
	}
	return true
}
