// All kernels: one translation unit for the device and for the host.
#include "conv.cu"
#include "dwconv.cu"
#include "pool.cu"
#include "softmax.cu"
#include "pointwise.cu"
#include "move.cu"
#include "resize.cu"
