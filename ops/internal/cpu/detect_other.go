//go:build !amd64 && !arm64

package cpu

// No fast paths on this architecture.
var AVX2, AVX512, VNNI, AVXVNNI, VBMI, BF16, NEON, DotProd, I8MM = false, false, false, false, false, false, false, false, false
