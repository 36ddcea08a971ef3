// Convolutions and pooling against loops over every output and every tap.
#include "window.h"

namespace {

void convolution(const char *name, Window v, i64 oc, i64 g, bool bias, bool res, i64 act, i64 extra, size_t shift) {
	const i64 cg = v.c / g, ocg = oc / g, rows = v.n * v.oh * v.ow, pitch = oc + extra;
	Array x((size_t)(v.n * v.h * v.w * v.c), shift), w((size_t)(oc * v.kh * v.kw * cg), shift), b((size_t)oc), r((size_t)(rows * oc)),
	    y((size_t)(rows * pitch - extra));
	x.random(), w.random(), b.random(), r.random();
	const float lo = -0.25f, hi = act == 1 ? 0.75f : 0;
	const bool deep = !strcmp(name, "conv_f32"); // not by channels
	const i64 steps = ceilDiv(v.kh * v.kw * cg, 16), cut = deep ? stretch(steps, g) : 0, parts = cut ? ceilDiv(steps, cut) : 1;
	Array part((size_t)(cut ? parts * rows * oc : 1));
	Params p;
	p(x.data())(w.data())(bias ? b.data() : nullptr)(res ? r.data() : nullptr)(cut ? part.data() : y.data());
	for (i64 q : {v.n, v.h, v.w, v.c, v.oh, v.ow, oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, g, pitch, act}) p(q);
	p((double)lo)((double)hi);
	if (deep)
		run(name, ceilDiv(rows, 64), ceilDiv(ocg, 64), g * parts, p(cut));
	else
		run(name, ceilDiv(rows * oc, 256), 1, 1, p);
	if (cut) join("f32", part, bias ? b.data() : nullptr, res ? r.data() : nullptr, y.data(), rows, oc, pitch, act, lo, hi);
	REQUIRE(x.whole() && w.whole() && b.whole() && r.whole() && y.whole(), "%s wrote beside an array", name);
	int wrong = 0;
	for (i64 m = 0; m < rows; m++) {
		const i64 n = m / (v.oh * v.ow), oh = m / v.ow % v.oh, ow = m % v.ow;
		for (i64 o = 0; o < oc; o++) {
			double sum = 0, size = 0;
			for (i64 kh = 0; kh < v.kh; kh++)
				for (i64 kw = 0; kw < v.kw; kw++)
					for (i64 c = 0; c < cg; c++) {
						i64 ih = oh * v.sh - v.pt + kh * v.dh, iw = ow * v.sw - v.pl + kw * v.dw;
						if (ih < 0 || ih >= v.h || iw < 0 || iw >= v.w) continue;
						double t = (double)x[(size_t)(((n * v.h + ih) * v.w + iw) * v.c + o / ocg * cg + c)] *
						           w[(size_t)(((o * v.kh + kh) * v.kw + kw) * cg + c)];
						sum += t;
						size += std::fabs(t);
					}
			if (bias) sum += b[(size_t)o], size += 1;
			if (res) sum += r[(size_t)(m * oc + o)], size += 1;
			double want = clampTo((float)sum, act, lo, hi), got = y[(size_t)(m * pitch + o)];
			wrong += !(std::fabs(got - want) <= 1e-6 * (size + 1));
		}
		for (i64 o = oc; o < pitch && m + 1 < rows; o++) wrong += !Array::untouched(y[(size_t)(m * pitch + o)]);
	}
	REQUIRE(wrong == 0,
	        "%s: %d outputs: [%lld %lld %lld %lld] to [%lld %lld %lld], kernel %lldx%lld stride %lld %lld dilation %lld %lld pad %lld %lld groups %lld",
	        name, wrong, v.n, v.h, v.w, v.c, v.oh, v.ow, oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, g);
}

void pooling(Window v, i64 mode, i64 extra) {
	const i64 rows = v.n * v.oh * v.ow, pitch = v.c + extra;
	Array x((size_t)(v.n * v.h * v.w * v.c)), y((size_t)(rows * pitch - extra));
	x.random();
	if (mode == 0 && pick(2)) x[pick((unsigned)x.n)] = NAN;
	Params p;
	p(x.data())(y.data());
	for (i64 q : {v.n, v.h, v.w, v.c, v.oh, v.ow, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, v.pb, v.pr, mode, pitch}) p(q);
	run("pool_f32", ceilDiv(rows * v.c, 256), 1, 1, p);
	REQUIRE(x.whole() && y.whole(), "pool_f32 wrote beside an array");
	int wrong = 0;
	for (i64 m = 0; m < rows; m++) {
		const i64 n = m / (v.oh * v.ow), oh = m / v.ow % v.oh, ow = m % v.ow;
		for (i64 c = 0; c < v.c; c++) {
			double sum = 0, best = -INFINITY;
			i64 in = 0, padded = 0;
			for (i64 kh = 0; kh < v.kh; kh++)
				for (i64 kw = 0; kw < v.kw; kw++) {
					i64 ih = oh * v.sh - v.pt + kh * v.dh, iw = ow * v.sw - v.pl + kw * v.dw;
					padded += ih < v.h + v.pb && iw < v.w + v.pr;
					if (ih < 0 || ih >= v.h || iw < 0 || iw >= v.w) continue;
					double e = x[(size_t)(((n * v.h + ih) * v.w + iw) * v.c + c)];
					in++;
					sum += e;
					best = std::isnan(best) || std::isnan(e) ? NAN : std::fmax(best, e);
				}
			double want = mode == 0 ? best : sum / (double)std::max<i64>(1, mode == 1 ? padded : in);
			double got = y[(size_t)(m * pitch + c)];
			wrong += !(got == want || (std::isnan(got) && std::isnan(want)) || std::fabs(got - want) <= 1e-6);
		}
		for (i64 o = v.c; o < pitch && m + 1 < rows; o++) wrong += !Array::untouched(y[(size_t)(m * pitch + o)]);
	}
	REQUIRE(wrong == 0, "pool_f32 mode %lld: %d outputs", mode, wrong);
}

} // namespace

void checkWindows() {
	for (int i = 0; i < 120; i++) {
		const i64 g = 1 + pick(3), cg = pick(2) ? 1 + pick(9) : 4 * (1 + pick(5)), ocg = pick(3) ? 1 + pick(20) : 60 + pick(80);
		convolution("conv_f32", draw(cg * g, 9), ocg * g, g, pick(2), pick(2), pick(2), pick(2) * pick(5), pick(4) == 0);
	}
	// A dense layer, more pixels and channels than one tile, one column more than a tile.
	convolution("conv_f32", {70, 1, 1, 131, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1}, 65, 1, true, false, 0, 0, 0);
	convolution("conv_f32", {1, 13, 13, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 13, 13}, 129, 1, true, true, 1, 0, 0);
	convolution("conv_f32", {2, 23, 23, 3, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 12, 12}, 64, 1, true, false, 1, 0, 0);
	for (int i = 0; i < 120; i++) {
		const i64 c = 1 + pick(40), mult = 1 + pick(3);
		convolution("dwconv_f32", draw(c, 12), c * mult, c, pick(2), pick(2), pick(2), pick(2) * pick(5), 0);
		convolution("conv_f32", draw(3, 5), 6, 3, pick(2), pick(2), pick(2), 0, 0);
	}
	for (int i = 0; i < 150; i++) {
		Window v = draw(1 + pick(20), 12);
		if (i % 3 == 0) v.oh++, v.ow++; // a size rounded up: windows beyond the padding
		pooling(v, i % 5 < 3 ? i % 5 : 1, pick(2) * pick(4));
	}
}
