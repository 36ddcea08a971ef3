// What the kernels share.
#pragma once
#include "cuda_min.h"
#include "element.h"
#include "fold.h"
#include "math.h"
#include "place.h"
#include "stores.h"
#include "taps.h"
