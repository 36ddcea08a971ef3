// Products of floats on tensor cores, for devices from sm_80 on: one translation unit.
#include "tile.h"

CONV(conv_tf32_128, tf32, float, 128, 3)
CONV(conv_tf32_64, tf32, float, 64, 4)
CUT(cut_tf32, tf32, float)
