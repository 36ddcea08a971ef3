package tflite_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/tflite"
)

// A model of TensorFlow's is opened; its layouts and integers are the graph's own.
func ExampleImport() {
	f, err := os.Open("model.tflite")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	g, err := tflite.Import(f)
	var unsupported *tflite.UnsupportedError
	if errors.As(err, &unsupported) {
		for _, o := range unsupported.Ops {
			fmt.Println(o.Index, o.Op, o.Why, o.Hint)
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := runtime.New(g)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(m.Inputs(), m.Outputs())
}
