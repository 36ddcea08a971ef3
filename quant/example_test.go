package quant_test

import (
	"fmt"

	"github.com/teff-ml/teff/quant"
)

// Weights become integers of four bits, two to a scale, are written and read again.
func Example() {
	weights := []float32{0.7, -0.3, 0.07, 0.01}
	ints := quant.Linear{Bits: 4, Group: 2}.Ints(weights)
	encoded, err := ints.Append(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	decoded := make([]float32, len(weights))
	parts, err := quant.DecodeInts(decoded, encoded)
	if err != nil {
		fmt.Println(err)
		return
	}
	scratch := make([]byte, quant.ScratchBytes)
	for _, part := range parts { // which may run at the same time, each with its scratch
		if err := part(scratch); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(ints.Q)
	fmt.Printf("%.2f\n", decoded)
	// Output:
	// [7 -3 7 1]
	// [0.70 -0.30 0.07 0.01]
}
