#include "cuda_min.h"
#include "math.h"

// fold reduces one number a thread to one a block: their sum, or the largest.
__device__ static inline float fold(float *part, float v, bool largest) {
	const int t = threadX();
	barrier(); // nobody reads the last result any more
	part[t] = v;
	for (int half = 128; half > 0; half /= 2) {
		barrier();
		if (t < half) {
			float a = part[t], b = part[t + half];
			part[t] = largest ? (a > b || a != a ? a : b) : a + b;
		}
	}
	barrier();
	return part[0];
}

// softmax_f32 is exp(x-max)/sum along each row of x [rows,cols], or with log its
// logarithm. Grid rows.
KERNEL softmax_f32(const float *x, float *y, i64 rows, i64 cols, i64 log) {
	__shared__ float part[256];
	const i64 row = blockX();
	if (row >= rows) return;
	x += row * cols;
	y += row * cols;
	float top = -INF;
	for (i64 i = threadX(); i < cols; i += 256) {
		float v = x[i];
		if (v > top || v != v) top = v;
	}
	top = fold(part, top, true);
	float sum = 0;
	for (i64 i = threadX(); i < cols; i += 256) sum += expF(x[i] - top);
	sum = fold(part, sum, false);
	if (log) {
		float norm = logF(sum);
		for (i64 i = threadX(); i < cols; i += 256) y[i] = x[i] - top - norm;
		return;
	}
	for (i64 i = threadX(); i < cols; i += 256) y[i] = expF(x[i] - top) / sum;
}
