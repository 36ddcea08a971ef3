package onnx

import "fmt"

// Input is one input as a file declares it.
type Input struct {
	Name string
	Type string // as ONNX calls it: "float", "int64"
	Dims string // like "N x 3 x 224 x 224"; "" where the file gives no shape
}

// Inputs lists the inputs that a caller gives: those without an initialiser.
func Inputs(model []byte) ([]Input, error) {
	m, err := parseModel(model)
	if err != nil {
		return nil, err
	}
	given := map[string]bool{}
	for _, t := range m.graph.initializers {
		given[t.name] = true
	}
	var list []Input
	for _, in := range m.graph.inputs {
		if given[in.name] {
			continue
		}
		x := Input{Name: in.name, Type: inputType(in)}
		if in.shaped {
			x.Dims = declaredDims(in)
		}
		list = append(list, x)
	}
	return list, nil
}

// Opset is the version of ONNX's operators that a model is written in.
func Opset(model []byte) (int64, error) {
	m, err := parseModel(model)
	if err != nil {
		return 0, err
	}
	if v, ok := m.opset[""]; ok {
		return v, nil
	}
	return 0, fmt.Errorf("onnx: the model names no operator set")
}

// NodeCount is the number of nodes of a model's graph.
func NodeCount(model []byte) (int, error) {
	m, err := parseModel(model)
	if err != nil {
		return 0, err
	}
	return len(m.graph.nodes), nil
}

// Metadata is the model's properties: what its author or WithMetadata put
// there.
func Metadata(model []byte) (map[string]string, error) {
	m, err := parseModel(model)
	if err != nil {
		return nil, err
	}
	return m.metadata, nil
}
