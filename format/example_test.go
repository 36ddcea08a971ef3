package format_test

import (
	"bytes"
	"fmt"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Write a network with half precision weights and the names of its classes, and
// read it back.
func Example() {
	b := graph.NewBuilder("larger")
	x := b.Input("x", tensor.F32Spec(1, 2), true)
	weights := tensor.FromF32([]float32{1, -1, -1, 1}, 2, 2) // [out, in]
	b.Output("class", b.Add("fc", &ops.Dense{}, []tensor.Tensor{weights}, x))
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	err = format.Write(&file, g, &format.WriteOptions{
		Metadata: &format.Metadata{Labels: []string{"first", "second"}},
		Encode:   func(*graph.Graph, graph.ID, int) format.Choice { return format.Choice{Encoding: format.F16} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	f, err := format.Parse(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Print(f.Graph)
	for _, w := range f.Weights {
		fmt.Println(w.Name, w.Spec, w.Encoding, w.Bytes, "bytes")
	}
	fmt.Println(f.Metadata.Labels)
	// Output:
	// %0 = Input{out_type=1 dims=[1 2] batch}() : f32[1x2]  # x
	// %1 = Dense(%0, f32[2x2]) : f32[1x2]  # fc
	// return "class" %1
	// fc.0 f32[2x2] f16 8 bytes
	// [first second]
}
