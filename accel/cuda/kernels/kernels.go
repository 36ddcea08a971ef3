// Package kernels holds the CUDA kernels as the text that the driver compiles
// for the device. Their sources are the .cu files here, in CUDA C++; the folder
// emulate runs the same sources on the host.
//
// All tensors are float32 and NHWC. Every parameter of a kernel has 8 bytes: an
// address, an int64 or a float64. Blocks have 256 threads; the comment above
// each kernel gives its grid. Sums are plain float32, one rounding a step.
package kernels

import _ "embed"

//go:generate sh ptx.sh teff.ptx
//go:generate go run ../internal/kerneltable RESOURCES.md

// PTX is the text of all kernels, for compute capability 7.0 and later.
//
//go:embed teff.ptx
var PTX string

// Module is a text of kernels and the least device that runs it.
type Module struct {
	Name       string
	PTX        string
	Capability int // 70 is 7.0
}

// Modules are the texts.
func Modules() []Module { return []Module{{"teff.ptx", PTX, 70}} }

// Block is the number of threads of every kernel's blocks.
const Block = 256

// Names are the kernels, in the order of the text.
func Names() []string {
	return []string{
		"conv_f32", "dwconv_f32", "pool_f32", "gavg_f32", "softmax_f32", "unary_f32",
		"binary_f32", "affine_f32", "copy_f32", "fill_f32", "resize_f32",
	}
}

// Params is the number of parameters of a kernel, 0 for a name that is none.
func Params(name string) int {
	switch name {
	case "conv_f32", "dwconv_f32":
		return 25
	case "pool_f32":
		return 20
	case "gavg_f32", "softmax_f32":
		return 5
	case "unary_f32":
		return 6
	case "binary_f32":
		return 26
	case "affine_f32":
		return 9
	case "copy_f32":
		return 23
	case "fill_f32":
		return 3
	case "resize_f32":
		return 13
	}
	return 0
}
