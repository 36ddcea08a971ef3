// The kernels on bf16, for devices from sm_80 on: one translation unit.
#include "tile.h"

CONV(conv_bf16_128, bfloat, bfloat, 128, 3)
CONV(conv_bf16_64, bfloat, bfloat, 64, 4)
CUT(cut_bf16, bfloat, bfloat)

#define ELEM bfloat
#define NAMED(k) k##_bf16
#include "cast.cu"
#include "typed.inc"
#undef ELEM
#undef NAMED
