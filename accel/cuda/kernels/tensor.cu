// The kernels on two-byte elements and those on tensor cores, for devices from
// sm_80 on: one translation unit.
#include "common.h"

#include "mma.cu"

#define ELEM half
#define NAMED(k) k##_f16
#include "cast.cu"
#include "typed.inc"
#undef ELEM
#undef NAMED

#define ELEM bfloat
#define NAMED(k) k##_bf16
#include "cast.cu"
#include "typed.inc"
#undef ELEM
#undef NAMED
