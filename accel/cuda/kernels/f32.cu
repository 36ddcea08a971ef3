// The kernels on float, for every device from sm_70 on: one translation unit.
#include "common.h"

#include "conv.cu"

#define ELEM float
#define NAMED(k) k##_f32
#include "typed.inc"
#undef ELEM
#undef NAMED
