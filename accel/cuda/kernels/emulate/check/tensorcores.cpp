// Convolutions on tensor cores against loops over numbers as they lie in memory.
#include "typed.h"
#include "check.h"

#include <string>

namespace {

struct Case {
	i64 n, h, w, c, oc, kh, kw, sh, sw, dh, dw, pt, pl, g, extra;
	bool bias, res;
	i64 act;
	size_t shift;
	bool wide = false, plus = false, parts = false; // y and res are float, w has two parts
};

float tf32Of(float v) { return __builtin_bit_cast(float, emulate::roundTF32(__builtin_bit_cast(unsigned, v))); }

// rounding is what a result's storage adds to its error, relative to it.
template <class E> double rounding() { return 0; }
template <> double rounding<half>() { return 1.0 / 2048; }
template <> double rounding<bfloat>() { return 1.0 / 256; }

template <class E> void convolution(const std::string &type, i64 tile, const Case &v) {
	const std::string name = "conv_" + type + "_" + std::to_string(tile);
	const i64 oh = (v.h + 2 * v.pt - (v.kh - 1) * v.dh - 1) / v.sh + 1, ow = (v.w + 2 * v.pl - (v.kw - 1) * v.dw - 1) / v.sw + 1;
	if (v.h + 2 * v.pt < (v.kh - 1) * v.dh + 1 || v.w + 2 * v.pl < (v.kw - 1) * v.dw + 1) return;
	const i64 cg = v.c / v.g, ocg = v.oc / v.g, rows = v.n * oh * ow, pitch = v.oc + v.extra;
	const i64 parts = v.parts ? 2 : 1, taps = v.kh * v.kw;
	ArrayOf<E> x((size_t)(v.n * v.h * v.w * v.c), v.shift), w((size_t)(v.oc * parts * taps * cg), v.shift), r((size_t)(rows * v.oc)),
	    y((size_t)(rows * pitch - v.extra));
	Array b((size_t)v.oc), r4(r.n), y4(y.n);
	x.random(), w.random(), b.random(), r.random(), r4.random();
	const bool tf = sizeof(E) == 4; // weights come rounded, what they meet is rounded on the way
	for (size_t i = 0; tf && i < w.n; i++) w[i] = E(tf32Of(w[i]));
	const float lo = -0.25f, hi = 0.75f;
	const void *bias = v.bias ? b.data() : nullptr, *res = !v.res ? nullptr : v.plus ? (const void *)r4.data() : r.data();
	const void *to = v.wide ? (const void *)y4.data() : y.data();
	const i64 act = v.act | (v.wide ? 2 : 0) | (v.plus ? 4 : 0) | (v.parts ? 8 : 0);
	const i64 steps = ceilDiv(parts * taps * cg, 64 / (i64)sizeof(E)), cut = tile == 64 ? stretch(steps, v.g) : 0, stretches = cut ? ceilDiv(steps, cut) : 1;
	Array part((size_t)(cut ? stretches * rows * v.oc : 1));
	Params p;
	p(x.data())(w.data());
	if (cut)
		p(part.data());
	else
		p(bias)(res)(to);
	for (i64 q : {v.n, v.h, v.w, v.c, oh, ow, v.oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl}) p(q);
	if (cut)
		run(("cut_" + type).c_str(), ceilDiv(rows, 64), ceilDiv(ocg, 64), stretches, p(parts)(cut));
	else
		run(name.c_str(), ceilDiv(rows, tile), ceilDiv(ocg, tile), v.g, p(v.g)(pitch)(act)((double)lo)((double)hi));
	if (cut) join(sizeof(E) == 4 ? "f32" : type.c_str(), part, bias, res, to, rows, v.oc, pitch, act & ~8ll, lo, hi);
	REQUIRE(x.whole() && w.whole() && r.whole() && y.whole() && r4.whole() && y4.whole(), "%s wrote beside an array", name.c_str());
	int wrong = 0;
	for (i64 m = 0; m < rows; m++) {
		const i64 n = m / (oh * ow), py = m / ow % oh, px = m % ow;
		for (i64 o = 0; o < v.oc; o++) {
			double sum = 0, size = 0;
			for (i64 i = 0; i < parts * taps; i++) {
				const i64 t = i % taps;
				const i64 ih = py * v.sh - v.pt + t / v.kw * v.dh, iw = px * v.sw - v.pl + t % v.kw * v.dw;
				if (ih < 0 || ih >= v.h || iw < 0 || iw >= v.w) continue;
				for (i64 c = 0; c < cg; c++) {
					float a = x[(size_t)(((n * v.h + ih) * v.w + iw) * v.c + o / ocg * cg + c)];
					double e = (double)(tf ? tf32Of(a) : a) * (float)w[(size_t)((o * parts * taps + i) * cg + c)];
					sum += e, size += std::fabs(e);
				}
			}
			if (v.bias) sum += b[(size_t)o], size += 1;
			if (v.res) sum += v.plus ? r4[(size_t)(m * v.oc + o)] : (float)r[(size_t)(m * v.oc + o)], size += 1;
			const double want = clampTo((float)sum, v.act, lo, hi), got = v.wide ? y4[(size_t)(m * pitch + o)] : (float)y[(size_t)(m * pitch + o)];
			wrong += !(std::fabs(got - want) <= 1e-6 * (size + 1) + (v.wide ? 0 : rounding<E>()) * std::fabs(want));
		}
		for (i64 o = v.oc; o < pitch && m + 1 < rows; o++) wrong += !ArrayOf<E>::untouched(y[(size_t)(m * pitch + o)]);
	}
	REQUIRE(wrong == 0,
	        "%s: %d outputs: [%lld %lld %lld %lld] to [%lld %lld %lld], kernel %lldx%lld stride %lld %lld dilation %lld %lld pad %lld %lld groups %lld",
	        name.c_str(), wrong, v.n, v.h, v.w, v.c, oh, ow, v.oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, v.g);
}

template <class E> void kind(const std::string &type) {
	shown = 0; // a part of its own
	for (i64 tile : {64, 128}) {
		for (int i = 0; i < 14; i++) {
			// Half of the cases have whole chunks of channels.
			const i64 g = 1 + pick(2), cg = i % 2 ? 8 * (1 + pick(6)) : 1 + pick(20), ocg = pick(3) ? 1 + pick(40) : 60 + pick(90);
			convolution<E>(type, tile, {1 + pick(2), 1 + pick(9), 1 + pick(9), cg * g, ocg * g, 1 + pick(3), 1 + pick(3), 1 + pick(2), 1 + pick(2),
			                            1 + pick(2), 1 + pick(2), pick(3), pick(3), g, pick(2) * pick(5), pick(2) > 0, pick(2) > 0, pick(2), pick(5) == 0,
			                            tile == 64 && sizeof(E) == 2 && pick(2), tile == 64 && sizeof(E) == 2 && pick(2), pick(2) > 0});
		}
		// A dense layer; more pixels and channels than a tile; the stem of an image network.
		convolution<E>(type, tile, {140, 1, 1, 136, 130, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, true, false, 0, 0});
		convolution<E>(type, tile, {1, 12, 12, 32, 129, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0, true, true, 1, 0});
		convolution<E>(type, tile, {2, 17, 17, 3, 64, 7, 7, 2, 2, 1, 1, 3, 3, 1, 0, true, false, 1, 0});
	}
}

} // namespace

void checkTensorCores() {
	kind<half>("f16");
	kind<bfloat>("bf16");
	kind<float>("tf32");
}
