// Gradients of norms, means of windows and PRelu against plain loops.
#include "window.h"

namespace {

// Sets of elements that are normalised together; one: a scale and a bias a group.
void norms(i64 outer, i64 pos, i64 groups, i64 width, bool one, bool affine) {
	const i64 c = groups * width, sets = outer * groups;
	Array x((size_t)(outer * pos * c)), d(x.n), dx(x.n), mean((size_t)sets), inv(mean.n), scale((size_t)(one ? groups : c)), dscale((size_t)c), dbias(dscale.n);
	x.random(), d.random(), scale.random();
	for (size_t i = 0; i < x.n; i++) x[i] += 3; // a mean that counts
	const double eps = 1e-3;
	for (i64 what : {1, 2})
		run("norm_f32", sets, 1, 1,
		    Params()(x.data())(nullptr)(nullptr)((what == 1 ? mean : inv).data())(outer)(pos)(groups)(width)(0ll)(0ll)(what)(eps));
	run("normgrad_f32", sets, 1, 1,
	    Params()(x.data())(d.data())(mean.data())(inv.data())(affine ? scale.data() : nullptr)(dx.data())(outer)(pos)(groups)(width)((i64)one));
	run("normsums_f32", ceilDiv(c, 32), 1, 1,
	    Params()(x.data())(d.data())(mean.data())(inv.data())(dscale.data())(dbias.data())(outer)(pos)(groups)(width));
	REQUIRE(x.whole() && d.whole() && dx.whole() && mean.whole() && inv.whole() && dscale.whole() && dbias.whole(), "a norm's gradient wrote beside an array");
	std::vector<double> cross((size_t)c), sum((size_t)c);
	int wrong = 0;
	for (i64 set = 0; set < sets; set++) {
		const i64 g = set % groups;
		auto at = [&](i64 i) { return (size_t)((set / groups * pos + i / width) * c + g * width + i % width); };
		const i64 n = pos * width;
		double m = 0, var = 0, t1 = 0, t2 = 0;
		for (i64 i = 0; i < n; i++) m += x[at(i)];
		m /= (double)n;
		for (i64 i = 0; i < n; i++) var += std::pow(x[at(i)] - m, 2);
		const double s = 1 / std::sqrt(var / (double)n + eps);
		auto by = [&](i64 i) { return affine ? (double)scale[(size_t)(one ? g : g * width + i % width)] : 1; };
		for (i64 i = 0; i < n; i++) {
			const double hat = (x[at(i)] - m) * s, e = d[at(i)];
			t1 += e * by(i), t2 += e * by(i) * hat;
			cross[(size_t)(g * width + i % width)] += e * hat, sum[(size_t)(g * width + i % width)] += e;
		}
		for (i64 i = 0; i < n; i++) {
			const double hat = (x[at(i)] - m) * s, want = (d[at(i)] * by(i) - t1 / (double)n - hat * t2 / (double)n) * s;
			wrong += !(std::fabs(dx[at(i)] - want) <= 1e-5 * s * s);
		}
	}
	const double top = 1 / std::sqrt(eps);
	for (size_t i = 0; i < dscale.n; i++)
		wrong += !(std::fabs(dscale[i] - cross[i]) <= 1e-6 * top * (double)(outer * pos + 1)) + !(std::fabs(dbias[i] - sum[i]) <= 1e-6 * (double)(outer * pos + 1));
	REQUIRE(wrong == 0, "gradients of norm [%lld %lld %lld %lld]: %d numbers", outer, pos, groups, width, wrong);
}

// Means of windows, with and without their padding.
void averages(Window v, i64 mode) {
	const i64 rows = v.n * v.oh * v.ow;
	Array d((size_t)(rows * v.c)), dx((size_t)(v.n * v.h * v.w * v.c));
	d.random();
	std::vector<double> want(dx.n);
	for (i64 m = 0; m < rows; m++) {
		std::vector<i64> in;
		i64 count = 0;
		for (i64 t = 0; t < v.kh * v.kw; t++) {
			const i64 ih = m / v.ow % v.oh * v.sh - v.pt + t / v.kw * v.dh, iw = m % v.ow * v.sw - v.pl + t % v.kw * v.dw;
			const bool inside = ih >= 0 && ih < v.h && iw >= 0 && iw < v.w;
			if (inside) in.push_back((m / (v.oh * v.ow) * v.h + ih) * v.w + iw);
			count += inside || (mode == 1 && ih < v.h + v.pb && iw < v.w + v.pr);
		}
		for (i64 at : in)
			for (i64 c = 0; c < v.c; c++) want[(size_t)(at * v.c + c)] += d[(size_t)(m * v.c + c)] / (double)count;
	}
	Params p;
	p(d.data())(dx.data());
	for (i64 q : {v.n, v.h, v.w, v.c, v.oh, v.ow, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, v.pb, v.pr, mode}) p(q);
	run("avggrad_f32", ceilDiv((i64)dx.n, 256), 1, 1, p);
	REQUIRE(d.whole() && dx.whole(), "avggrad_f32 wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < dx.n; i++) wrong += !(std::fabs(dx[i] - want[i]) <= 1e-5);
	REQUIRE(wrong == 0, "avggrad_f32 mode %lld: %d inputs: [%lld %lld %lld %lld] to [%lld %lld], kernel %lldx%lld stride %lld %lld dilation %lld %lld pad %lld %lld",
	        mode, wrong, v.n, v.h, v.w, v.c, v.oh, v.ow, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl);
}

void prelu(i64 rows, i64 c, bool one, bool x0, bool slopes) {
	const i64 n = rows * c, k = one ? 1 : c;
	Array x((size_t)n), d(x.n), dx(x.n), part(x.n), slope((size_t)k);
	x.random(), d.random(), slope.random();
	for (size_t i = 0; i < x.n; i += 7) x[i] = 0;
	run("prelugrad_f32", ceilDiv(n, 256), 1, 1,
	    Params()(x.data())(d.data())(slope.data())(x0 ? dx.data() : nullptr)(slopes ? part.data() : nullptr)(n)(k));
	REQUIRE(x.whole() && d.whole() && dx.whole() && part.whole() && slope.whole(), "prelugrad_f32 wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < x.n; i++) {
		wrong += x0 ? dx[i] != (x[i] < 0 ? slope[i % (size_t)k] * d[i] : d[i]) : !Array::untouched(dx[i]);
		wrong += slopes ? part[i] != (x[i] < 0 ? x[i] * d[i] : 0) : !Array::untouched(part[i]);
	}
	REQUIRE(wrong == 0, "prelugrad_f32 [%lld %lld] of %lld slopes: %d numbers", rows, c, k, wrong);
}

} // namespace

void checkNormGradients() {
	for (int i = 0; i < 60; i++) norms(1 + pick(3), 1 + pick(20), 1 + pick(5), 1 + pick(i % 5 ? 6 : 300), pick(2), pick(4) > 0);
	norms(2, 1, 1, 513, false, true), norms(3, 257, 33, 1, false, true);
	for (int i = 0; i < 150; i++) {
		Window v = draw(1 + pick(20), 12);
		if (i % 3 == 0) v.oh++, v.ow++; // a size rounded up: windows beyond the padding
		averages(v, 1 + i % 2);
	}
	for (i64 c : {1, 3, 64, 257})
		for (int how = 0; how < 8; how++) prelu(1 + pick(9), c, how & 1, how & 2, how & 4);
}
