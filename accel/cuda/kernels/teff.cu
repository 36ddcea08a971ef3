// The kernels on float and on integers of 8 bits, for every device from sm_70 on: one translation unit.
#include "common.h"

#include "conv.cu"

#define ELEM float
#define NAMED(k) k##_f32
#include "typed.inc"
#undef ELEM
#undef NAMED

#include "train.cu"

#include "int8.cu"
#define ELEM u8
#define NAMED(k) k##_i8
#include "move.cu"
#undef ELEM
#undef NAMED
