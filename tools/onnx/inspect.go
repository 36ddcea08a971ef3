package onnx

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
