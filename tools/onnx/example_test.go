package onnx_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/teff-ml/teff/tools/onnx"
)

// A model of PyTorch's comes in, for runtime.New or format.WriteFile, and goes out again.
func Example() {
	g, err := onnx.ImportFile("../../tests/golden/glyphs.onnx")
	var unsupported *onnx.UnsupportedError
	if errors.As(err, &unsupported) {
		for _, n := range unsupported.Nodes {
			fmt.Println(n.Node, n.Op, n.Why, n.Hint)
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Node(g.Inputs()[0]).Out, g.Batched(), g.Outputs()[0].Name)
	var file bytes.Buffer
	if err := onnx.Export(&file, g); err != nil {
		fmt.Println(err)
		return
	}
	back, err := onnx.Import(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(back.ParamCount() == g.ParamCount())
	// Output:
	// f32[1x1x28x28] true logits
	// true
}
