//go:build !purego

#include "textflag.h"

// func cpuid(leaf uint32) (ebx, ecx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-16
	MOVL  leaf+0(FP), AX
	XORL  CX, CX
	CPUID
	MOVL  BX, ebx+8(FP)
	MOVL  CX, ecx+12(FP)
	RET
