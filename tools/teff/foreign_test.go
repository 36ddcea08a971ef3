package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestForeignFiles: files of other programs are named, with what to do.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	for content, want := range map[string]string{
		"":                                    "the file is empty",
		"PK\x03\x04\x00\x00":                  "torch.onnx.export",
		"\x80\x02\x8a\x0a":                    "torch.onnx.export",
		"\x89HDF\r\n\x1a\n":                   "tf2onnx",
		"\x20\x00\x00\x00\x00\x00\x00\x00{\"": "safetensors",
		"GGUF\x03":                            "GGUF",
		"version https://git-lfs.github.com/": "git lfs pull",
		"<!DOCTYPE html>":                     "web page",
		"\x08\x08":                            "not a valid ONNX file",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		fails(t, want, "inspect", path)
	}
	fails(t, "a model is a file", "inspect", dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "saved_model.pb"), nil, 0o644))
	fails(t, "SavedModel", "convert", dir, "-o", filepath.Join(dir, "x.teff"))
}
