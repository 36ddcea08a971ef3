package cpu

import "golang.org/x/sys/cpu"

// Features of this processor. NEON (Advanced SIMD) is part of the arm64 baseline; DotProd is SDOT and UDOT, I8MM
// SMMLA.
var (
	AVX2, AVX512, VNNI, AVXVNNI, VBMI, BF16 = false, false, false, false, false, false
	NEON                                    = true
	DotProd                                 = cpu.ARM64.HasASIMDDP
	I8MM                                    = cpu.ARM64.HasI8MM
)
