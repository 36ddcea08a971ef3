// The kernels on f16, for devices from sm_80 on: one translation unit.
#include "tile.h"

CONV(conv_f16_128, half, half, 128, 3)
CONV(conv_f16_64, half, half, 64, 4)
CUT(cut_f16, half, half)

#define ELEM half
#define NAMED(k) k##_f16
#include "cast.cu"
#include "typed.inc"
#undef ELEM
#undef NAMED
