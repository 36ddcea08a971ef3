// Softmax and the mean of an image.
#include "check.h"

static void softmax(i64 rows, i64 cols, i64 log, float scale) {
	Array x((size_t)(rows * cols)), y(x.n);
	x.random();
	for (size_t i = 0; i < x.n; i++) x[i] *= scale;
	run("softmax_f32", rows, 1, 1, Params()(x.data())(y.data())(rows)(cols)(log));
	REQUIRE(x.whole() && y.whole(), "softmax_f32 wrote beside an array");
	for (i64 r = 0; r < rows; r++) {
		float *at = x.data() + r * cols;
		double top = -INFINITY, sum = 0, worst = 0;
		for (i64 c = 0; c < cols; c++) top = std::fmax(top, at[c]);
		for (i64 c = 0; c < cols; c++) sum += std::exp(at[c] - top);
		for (i64 c = 0; c < cols; c++) {
			double l = at[c] - top - std::log(sum), got = y[(size_t)(r * cols + c)];
			// x-max is rounded, and exp makes that relative to its size.
			double e = std::fabs(got - (log ? l : std::exp(l))) / (1 + std::fabs(l)) / (log ? 1 : std::exp(l) + 1e-37);
			worst = !(e <= worst) ? e : worst;
		}
		REQUIRE(worst < 5e-7, "softmax_f32 [%lld %lld] log %lld: error %g", rows, cols, log, worst);
	}
}

static void mean(i64 n, i64 hw, i64 c) {
	Array x((size_t)(n * hw * c)), y((size_t)(n * c));
	x.random();
	run("gavg_f32", ceilDiv(c, 32), n, 1, Params()(x.data())(y.data())(n)(hw)(c));
	REQUIRE(x.whole() && y.whole(), "gavg_f32 wrote beside an array");
	for (i64 i = 0; i < n * c; i++) {
		double sum = 0;
		for (i64 p = 0; p < hw; p++) sum += x[(size_t)((i / c * hw + p) * c + i % c)];
		REQUIRE(std::fabs(y[(size_t)i] - sum / (double)hw) < 1e-6, "gavg_f32 [%lld %lld %lld] at %lld", n, hw, c, i);
	}
}

void checkRows() {
	for (i64 cols : {1, 2, 10, 255, 256, 257, 1000, 1001})
		for (i64 log : {0, 1}) softmax(1 + pick(5), cols, log, cols % 2 ? 1.f : 60.f);
	for (i64 hw : {1, 7, 8, 9, 49, 200})
		for (i64 c : {1, 31, 32, 33, 100}) mean(1 + pick(3), hw, c);
}
