package main

import (
	"bytes"
	"os"
	"path/filepath"
)

// foreign says what a file is that is taken for a model and is none that is
// read, and what to do about it; "" where that cannot be told. b is its
// beginning.
func foreign(b []byte) string {
	starts := func(s string) bool { return bytes.HasPrefix(b, []byte(s)) }
	switch {
	case len(b) == 0:
		return "the file is empty"
	case starts("PK\x03\x04"), len(b) > 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5: // a zip, a pickle
		return "this looks like a checkpoint of PyTorch's, weights without a network: teff new ARCH --from it, or load it there and write it with torch.onnx.export"
	case starts("\x89HDF\r\n"):
		return "this is HDF5, which Keras writes: convert it to TFLite there, or to ONNX with tf2onnx"
	case len(b) > 9 && b[8] == '{' && bytes.Equal(b[3:8], make([]byte, 5)): // a length, then JSON
		return "this looks like safetensors, weights without a network: teff new ARCH --from it, or load them where the network is and export that as ONNX"
	case starts("GGUF"):
		return "this is GGUF, which holds language models"
	case starts("version https://git-lfs"):
		return "this is Git LFS's pointer to a file: git lfs pull fetches the file"
	case starts("<"):
		return "this is a web page or XML: was the download one?"
	}
	return ""
}

// foreignFolder is foreign of a folder.
func foreignFolder(path string) string {
	if _, err := os.Stat(filepath.Join(path, "saved_model.pb")); err == nil {
		return "this is a SavedModel of TensorFlow's: convert it to TFLite there, or to ONNX with tf2onnx"
	}
	return "this is a folder, a model is a file"
}
