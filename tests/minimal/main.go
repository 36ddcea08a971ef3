// Command minimal is the least program that opens and runs a model: what the
// library itself weighs is measured on it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/teff-ml/teff/runtime"
)

func main() {
	m, err := runtime.Open(os.Args[1])
	if err == nil {
		var s *runtime.Session
		if s, err = m.NewSession(); err == nil {
			if err = s.Run(context.Background()); err == nil {
				fmt.Println(s.Output(0).Float32())
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
