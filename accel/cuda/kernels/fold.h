// Reducing over a block's threads.
#pragma once
#include "cuda_min.h"

enum Fold { SUM, LARGEST, LEAST, PRODUCT };

// fold reduces one number a thread to one a block. NaN wins.
__device__ static inline float fold(float *part, float v, Fold how) {
	const int t = threadX();
	barrier(); // nobody reads the last result any more
	part[t] = v;
	for (int half = 128; half > 0; half /= 2) {
		barrier();
		if (t < half) {
			float a = part[t], b = part[t + half];
			switch (how) {
			case SUM: a += b; break;
			case LARGEST: a = a > b || a != a ? a : b; break;
			case LEAST: a = a < b || a != a ? a : b; break;
			case PRODUCT: a *= b; break;
			}
			part[t] = a;
		}
	}
	barrier();
	return part[0];
}
