// Two operands, strided copies, resizing.
#include "check.h"

namespace {

struct Dims {
	i64 d[6], n;
};

Dims drawDims() {
	Dims v = {{1, 1, 1, 1, 1, 1}, 1};
	for (int i = (int)pick(6); i < 6; i++) v.d[i] = 1 + pick(5), v.n *= v.d[i];
	return v;
}

i64 offset(const Dims &v, i64 e, const i64 *s) {
	i64 at = 0;
	for (int i = 5; i >= 0; i--) at += e % v.d[i] * s[i], e /= v.d[i];
	return at;
}

// strides of a dense array of the dims, in a shuffled order, of which some
// dimensions are left out if repeat.
i64 drawStrides(const Dims &v, i64 *s, bool repeat) {
	int order[6] = {0, 1, 2, 3, 4, 5};
	for (int i = 5; i > 0; i--) std::swap(order[i], order[pick((unsigned)i + 1)]);
	i64 size = 1;
	for (int i : order) {
		bool out = repeat && pick(3) == 0;
		s[i] = out ? 0 : size;
		if (!out) size *= v.d[i];
	}
	return size;
}

double apply(i64 kind, double a, double b) {
	switch (kind) {
	case 0: return (float)a + (float)b;
	case 1: return (float)a - (float)b;
	case 2: return (float)a * (float)b;
	case 3: return (float)a / (float)b;
	case 4: return std::isnan(a) || std::isnan(b) ? NAN : a > b ? a : b;
	case 5: return std::isnan(a) || std::isnan(b) ? NAN : a < b ? a : b;
	}
	return std::pow(a, b);
}

bool close(float got, double exact, double bound) {
	float want = (float)exact;
	return want == got || (std::isnan(want) && std::isnan(got)) ||
	       std::fabs(got - exact) <= bound * std::fmax(std::fabs(exact), 1.1754944e-38) / 16777216;
}

void binary(i64 kind, i64 act) {
	Dims v = drawDims();
	i64 s[6], t[6];
	Array a((size_t)drawStrides(v, s, true)), b((size_t)drawStrides(v, t, true)), y((size_t)v.n);
	a.random(), b.random();
	for (size_t i = 0; kind == 6 && i < a.n; i++) a[i] = std::fabs(a[i]) * 30;
	for (size_t i = 0; kind == 6 && i < b.n; i++) b[i] *= 20;
	if (pick(3) == 0) a[pick((unsigned)a.n)] = NAN;
	if (pick(3) == 0) b[pick((unsigned)b.n)] = NAN;
	Params p;
	p(a.data())(b.data())(y.data())(v.n)(kind);
	for (i64 q : v.d) p(q);
	for (i64 q : s) p(q);
	for (i64 q : t) p(q);
	p(act)(-0.5)(0.25);
	run("binary_f32", ceilDiv(v.n, 256), 1, 1, p);
	REQUIRE(a.whole() && b.whole() && y.whole(), "binary_f32 wrote beside an array");
	for (i64 e = 0; e < v.n; e++) {
		float p1 = a[(size_t)offset(v, e, s)], p2 = b[(size_t)offset(v, e, t)];
		double want = apply(kind, p1, p2);
		if (act) want = want < -0.5 ? -0.5 : want > 0.25 ? 0.25 : want;
		REQUIRE(close(y[(size_t)e], want, kind == 6 ? 1.01 : 0), "binary_f32 kind %lld of %g and %g: %g", kind, (double)p1, (double)p2, (double)y[(size_t)e]);
	}
}

void power() {
	const float values[] = {0.f, -0.f, 1.f, -1.f, 2.f, -2.f, 0.5f, -0.5f, 3.f, -3.f, 1e30f, -1e30f, 1e-30f, 16777217.f, -16777216.f, 8388609.f,
	                        1e-41f, INFINITY, -INFINITY, NAN, 2.5f, -2.5f, 127.f, 128.f, -149.f, 0.99999994f, 1.0000001f, 1e9f};
	const i64 n = sizeof values / 4;
	Array a((size_t)n), b((size_t)n), y((size_t)(n * n));
	for (i64 i = 0; i < n; i++) a[(size_t)i] = b[(size_t)i] = values[i];
	Params p;
	p(a.data())(b.data())(y.data())(n * n)((i64)6);
	for (i64 q : {1ll, 1ll, 1ll, 1ll, n, n, 0ll, 0ll, 0ll, 0ll, 1ll, 0ll, 0ll, 0ll, 0ll, 0ll, 0ll, 1ll, 0ll}) p(q);
	p(0.0)(0.0);
	run("binary_f32", ceilDiv(n * n, 256), 1, 1, p);
	for (i64 e = 0; e < n * n; e++) {
		double want = std::pow((double)values[e / n], (double)values[e % n]);
		float got = y[(size_t)e];
		REQUIRE(close(got, want, 1.01) && (std::isnan(want) || std::signbit(got) == std::signbit(want)), "%g to the %g: %g, not %g",
		        (double)values[e / n], (double)values[e % n], (double)got, want);
	}
}

void affine(i64 n, i64 c) {
	Array x((size_t)(n * c)), s((size_t)c), t((size_t)c), y(x.n);
	x.random(), s.random(), t.random();
	run("affine_f32", ceilDiv(n * c, 256), 1, 1, Params()(x.data())(s.data())(t.data())(y.data())(n * c)(c)((i64)1)(0.0)(6.0));
	REQUIRE(x.whole() && y.whole(), "affine_f32 wrote beside an array");
	for (size_t i = 0; i < x.n; i++) {
		float want = clampTo(fmaf(x[i], s[i % (size_t)c], t[i % (size_t)c]), 1, 0, 6);
		REQUIRE(y[i] == want, "affine_f32 at %zu", i);
	}
}

void copy() {
	Dims v = drawDims();
	i64 s[6], t[6], xoff = pick(7), yoff = pick(7);
	const i64 size = drawStrides(v, s, true);
	drawStrides(v, t, false);
	const i64 step = 1 + pick(3); // of the result: gaps stay as they are
	for (i64 &q : t) q *= step;
	const bool back = pick(2); // a slice may go backwards
	if (back) {
		for (int i = 0; i < 6; i++)
			if (s[i] == 1) xoff += v.d[i] - 1, s[i] = -1;
	}
	Array x((size_t)(size + xoff + 8)), y((size_t)((v.n - 1) * step + yoff + 1));
	x.random();
	std::vector<bool> written(y.n);
	Params p;
	p(x.data())(y.data())(v.n);
	for (i64 q : v.d) p(q);
	for (i64 q : s) p(q);
	p(xoff);
	for (i64 q : t) p(q);
	p(yoff);
	run("copy_f32", ceilDiv(v.n, 256), 1, 1, p);
	REQUIRE(x.whole() && y.whole(), "copy_f32 wrote beside an array");
	for (i64 e = 0; e < v.n; e++) {
		const size_t to = (size_t)(yoff + offset(v, e, t));
		REQUIRE(y[to] == x[(size_t)(xoff + offset(v, e, s))], "copy_f32 at %lld", e);
		written[to] = true;
	}
	for (size_t i = 0; i < y.n; i++) REQUIRE(written[i] || Array::untouched(y[i]), "copy_f32 wrote %zu", i);
}

void fill(i64 n) {
	Array y((size_t)n);
	run("fill_f32", ceilDiv(n, 256), 1, 1, Params()(y.data())(n)(0.1));
	REQUIRE(y.whole(), "fill_f32 wrote beside its array");
	for (i64 i = 0; i < n; i++) REQUIRE(y[(size_t)i] == 0.1f, "fill_f32 at %lld", i);
}

void resize(i64 mode) {
	const i64 n = 1 + pick(2), h = 1 + pick(7), w = 1 + pick(7), c = 1 + pick(5), oh = 1 + pick(12), ow = 1 + pick(12);
	const double sh = (double)h / (double)oh, sw = (double)w / (double)ow, half = pick(2) ? 0.5 : 0, off = mode ? half - 0.5 : 0;
	const double fh = half * sh + off, fw = half * sw + off;
	Array x((size_t)(n * h * w * c)), y((size_t)(n * oh * ow * c));
	x.random();
	run("resize_f32", ceilDiv((i64)y.n, 256), 1, 1, Params()(x.data())(y.data())(n)(h)(w)(c)(oh)(ow)(mode)(sh)(sw)(fh)(fw));
	REQUIRE(x.whole() && y.whole(), "resize_f32 wrote beside an array");
	for (i64 e = 0; e < (i64)y.n; e++) {
		const i64 ch = e % c, ox = e / c % ow, oy = e / c / ow % oh, b = e / c / ow / oh;
		auto at = [&](i64 iy, i64 ix) {
			iy = std::min(std::max(iy, 0ll), h - 1), ix = std::min(std::max(ix, 0ll), w - 1);
			return (double)x[(size_t)(((b * h + iy) * w + ix) * c + ch)];
		};
		const double py = (double)oy * sh + fh, px = (double)ox * sw + fw, fy = std::floor(py), fx = std::floor(px);
		double want = at((i64)fy, (i64)fx);
		if (mode == 1) {
			const double wy = py - fy, wx = px - fx;
			want = (1 - wy) * ((1 - wx) * want + wx * at((i64)fy, (i64)fx + 1)) +
			       wy * ((1 - wx) * at((i64)fy + 1, (i64)fx) + wx * at((i64)fy + 1, (i64)fx + 1));
		}
		REQUIRE(std::fabs(y[(size_t)e] - want) <= (mode ? 1e-6 : 0), "resize_f32 mode %lld at %lld: %g, not %g", mode, e, (double)y[(size_t)e], want);
	}
}

} // namespace

void checkPointwise() {
	for (int i = 0; i < 210; i++) binary(i % 7, i % 2);
	power();
	for (i64 c : {1, 3, 64, 300}) affine(1 + pick(40), c);
	for (int i = 0; i < 100; i++) copy();
	for (i64 n : {1, 255, 256, 257, 1000}) fill(n);
	for (int i = 0; i < 100; i++) resize(i % 2);
}
