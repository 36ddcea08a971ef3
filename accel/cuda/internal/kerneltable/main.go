// Command kerneltable writes the table of what the kernels take of a device, to
// the file that it is given; kernels.go says when. It needs NVIDIA's assembler
// and no device.
package main

import (
	"log"
	"os"

	"github.com/teff-ml/teff/accel/cuda/internal/ptxas"
)

func main() {
	log.SetFlags(0)
	path, err := ptxas.Find()
	if err != nil {
		log.Fatal(err)
	}
	v, err := ptxas.Version(path)
	if err != nil {
		log.Fatal(err)
	}
	rs, err := ptxas.Reports(path)
	if err != nil {
		log.Fatal(err)
	}
	text := ptxas.Table(v, rs)
	if err := os.WriteFile(os.Args[1], []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}
