// Package kernels holds the CUDA kernels as the text that the driver compiles
// for the device. Their sources are the .cu files here, in CUDA C++; the folder
// emulate runs the same sources on the host.
//
// All tensors are NHWC. A kernel's name ends in the type of its tensors'
// elements; sums are plain float32, one rounding a step, or tensor cores'. Every
// parameter of a kernel has 8 bytes: an address, an int64 or a float64. Blocks
// have 256 threads; the comment above each kernel gives its grid.
package kernels

import (
	_ "embed"
	"strings"
)

//go:generate sh ptx.sh f32.cu sm_70 f32.ptx
//go:generate sh ptx.sh train.cu sm_70 train.ptx
//go:generate sh ptx.sh int8.cu sm_70 int8.ptx
//go:generate sh ptx.sh f16.cu sm_80 f16.ptx
//go:generate sh ptx.sh bf16.cu sm_80 bf16.ptx
//go:generate sh ptx.sh tf32.cu sm_80 tf32.ptx
//go:generate sh ptx.sh i8mma.cu sm_80 i8mma.ptx
//go:generate go run ../internal/kerneltable RESOURCES.md

// The texts. A device compiles those that a network's kernels are in, and no others.
var (
	//go:embed f32.ptx
	f32PTX string
	//go:embed train.ptx
	trainPTX string
	//go:embed int8.ptx
	int8PTX string
	//go:embed f16.ptx
	f16PTX string
	//go:embed bf16.ptx
	bf16PTX string
	//go:embed tf32.ptx
	tf32PTX string
	//go:embed i8mma.ptx
	i8mmaPTX string
)

// Least is the least device that any text is for: 70 is 7.0.
const Least = 70

// Module is a text of kernels and the least device that runs it.
type Module struct {
	Name       string
	Source     string
	PTX        string
	Capability int // 70 is 7.0
	Names      []string
}

// Modules are the texts, each with its kernels in the order of the text: on float32,
// those of a training step, on integers; on two-byte elements, products included;
// products of the other kinds on tensor cores.
func Modules() []Module {
	return []Module{
		{"f32.ptx", "f32.cu", f32PTX, Least, append([]string{"conv_f32"}, typed("f32")...)},
		{"train.ptx", "train.cu", trainPTX, Least, []string{
			"convgrad_f32", "bnstats_f32", "bnapply_f32", "bnsums_f32", "bngrad_f32", "clampgrad_f32", "maxgrad_f32", "lossgrad_f32",
			"dropout_f32", "gather_f32", "squares_f32", "verdict_f32", "sgd_f32", "adam_f32", "adagrad_f32",
			"normgrad_f32", "normsums_f32", "avggrad_f32", "prelugrad_f32",
		}},
		{"int8.ptx", "int8.cu", int8PTX, Least, []string{
			"conv_i8", "pool_i8", "reduce_i8", "table_i8", "lookup_i8", "quantize_i8", "binary_i8", "softmax_i8", "copy_i8", "fill_i8",
		}},
		{"f16.ptx", "f16.cu", f16PTX, 80, append([]string{"conv_f16_128", "conv_f16_64", "cut_f16", "narrow_f16", "widen_f16"}, typed("f16")...)},
		{"bf16.ptx", "bf16.cu", bf16PTX, 80, append([]string{"conv_bf16_128", "conv_bf16_64", "cut_bf16", "narrow_bf16", "widen_bf16"}, typed("bf16")...)},
		{"tf32.ptx", "tf32.cu", tf32PTX, 80, []string{"conv_tf32_128", "conv_tf32_64", "cut_tf32"}},
		{"i8mma.ptx", "i8mma.cu", i8mmaPTX, 80, []string{"conv_i8_128", "conv_i8_64", "conv_i8z_64", "cut_i8", "join_i8"}},
	}
}

// typed are the kernels that are there for every type of elements.
func typed(element string) (names []string) {
	for _, k := range []string{
		"dwconv", "deconv", "pool", "gavg", "softmax", "norm", "reduce", "matmul", "unary", "binary", "affine", "copy", "fill", "join", "resize",
	} {
		names = append(names, k+"_"+element)
	}
	return names
}

// Block is the number of threads of every kernel's blocks.
const Block = 256

// Names are all kernels.
func Names() (names []string) {
	for _, m := range Modules() {
		names = append(names, m.Names...)
	}
	return names
}

// Params is the number of parameters of a kernel, 0 for a name that is none.
func Params(name string) int {
	base, elements, _ := strings.Cut(name, "_")
	if strings.HasPrefix(elements, "i8") {
		switch base {
		case "conv":
			return 28
		case "cut":
			return 21
		case "pool":
			return 26
		case "reduce":
			return 36
		case "table":
			return 6
		case "lookup":
			return 4
		case "quantize":
			return 7
		case "binary":
			return 32
		case "softmax":
			return 11
		}
	}
	switch base {
	case "conv":
		if elements == "f32" {
			return 26
		}
		return 25
	case "dwconv":
		return 25
	case "cut":
		return 20
	case "join":
		return 11
	case "deconv":
		return 23
	case "pool":
		return 20
	case "gavg", "softmax":
		return 5
	case "norm", "adam":
		return 12
	case "reduce":
		return 30
	case "matmul":
		return 26
	case "unary":
		return 6
	case "binary":
		return 26
	case "affine":
		return 9
	case "copy":
		return 23
	case "fill", "narrow", "widen":
		return 3
	case "resize":
		return 13
	case "convgrad":
		return 20
	case "bnstats", "bngrad", "normsums":
		return 10
	case "normgrad":
		return 11
	case "avggrad":
		return 19
	case "bnapply", "bnsums":
		return 8
	case "squares":
		return 3
	case "gather":
		return 4
	case "clampgrad", "dropout":
		return 6
	case "verdict", "prelugrad":
		return 7
	case "lossgrad", "adagrad":
		return 8
	case "sgd":
		return 10
	case "maxgrad":
		return 17
	}
	return 0
}
