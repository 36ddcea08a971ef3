//go:build !js

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// main reads a model, named by the argument, and from its standard input as many
// little-endian float32 as the network takes; it writes what the network gives.
func main() {
	if err := command(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wasm:", err)
		os.Exit(1)
	}
}

func command(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, a .teff file")
	}
	file, err := os.ReadFile(args[0]) // there is no mmap: the bytes are all in memory
	if err != nil {
		return err
	}
	n, err := open(file)
	if err != nil {
		return err
	}
	if err := binary.Read(in, binary.LittleEndian, n.input()); err != nil {
		return fmt.Errorf("%d numbers are wanted: %w", len(n.input()), err)
	}
	y, err := n.run()
	if err != nil {
		return err
	}
	return binary.Write(out, binary.LittleEndian, y)
}
