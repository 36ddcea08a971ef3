package cpu

import "golang.org/x/sys/cpu"

// Features of this processor, usable by this operating system (x/sys/cpu checks XGETBV).
var (
	// AVX2 means AVX2 with FMA3: no processor of interest has one without the other.
	AVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA
	// AVX512 means the F, BW, DQ and VL subsets, which all AVX-512 servers and desktops share.
	AVX512 = AVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
	// VNNI is VPDPBUSD on zmm registers.
	VNNI = AVX512 && cpu.X86.HasAVX512VNNI
	// AVXVNNI is VPDPBUSD on ymm registers as AVX encodes it, which processors have that lack AVX-512.
	AVXVNNI = AVX2 && cpu.X86.HasAVXVNNI
	// VBMI is byte permutations of zmm registers, beside VNNI.
	VBMI = VNNI && cpu.X86.HasAVX512VBMI
	// BF16 is VDPBF16PS on zmm registers.
	BF16 = AVX512 && cpu.X86.HasAVX512BF16
	// These belong to arm64.
	NEON, DotProd, I8MM = false, false, false
)
