package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGenerated fails when a committed file is not what its generator writes.
func TestGenerated(t *testing.T) {
	for _, f := range files {
		want, err := f.generate()
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		got, err := os.ReadFile(filepath.Join("../../ops/internal/kern", f.name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: go generate ./ops/internal/kern", f.name)
		}
	}
}
