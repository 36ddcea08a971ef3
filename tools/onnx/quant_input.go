package onnx

import "github.com/teff-ml/teff/ops/tensor"

// inputQuant is what the model says of an integer input's scale: that of the
// DequantizeLinear nodes that read it, if they agree and nothing else does.
func (im *importer) inputQuant(name string) tensor.Quant {
	readers := map[string][]*node{}
	for _, n := range im.m.graph.nodes {
		for i, in := range n.inputs {
			if i == 0 {
				readers[in] = append(readers[in], n)
			} else {
				readers[in] = append(readers[in], &node{op: "as another operand"})
			}
		}
	}
	var q tensor.Quant
	if !im.agree(readers, name, &q, 0) {
		return tensor.Quant{}
	}
	return q
}

// agree collects the scale that all readers of a value take it to have.
func (im *importer) agree(readers map[string][]*node, name string, q *tensor.Quant, depth int) bool {
	if depth > maxDepth {
		return false
	}
	for _, n := range readers[name] {
		switch {
		case n.domain != "":
			return false
		case (n.op == "Transpose" || n.op == "Reshape") && len(n.outputs) == 1:
			if !im.agree(readers, n.outputs[0], q, depth+1) {
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
