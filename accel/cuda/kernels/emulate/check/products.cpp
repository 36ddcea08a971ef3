// Matrix products, transposed convolutions, reductions and norms against loops.
#include "check.h"

namespace {

void matmul(i64 m, i64 n, i64 k, bool ta, bool tb, i64 act) {
	const i64 b[4] = {1 + pick(2), 1 + pick(3), 1, 1 + pick(2)}, batch = b[0] * b[1] * b[2] * b[3];
	i64 p[4], q[4], xs = m * k, ws = k * n;
	for (int i = 3; i >= 0; i--) { // some dimensions repeat
		p[i] = pick(3) ? xs : 0, q[i] = pick(3) ? ws : 0;
		if (p[i]) xs *= b[i];
		if (q[i]) ws *= b[i];
	}
	Array x((size_t)xs), w((size_t)ws), y((size_t)(batch * m * n));
	x.random(), w.random();
	const i64 xm = ta ? 1 : k, xk = ta ? m : 1, wk = tb ? 1 : n, wn = tb ? k : 1;
	const double alpha = 0.75, lo = -0.5, hi = 2;
	Params a;
	a(x.data())(w.data())(y.data())(m)(n)(k)(xm)(xk)(wk)(wn);
	for (i64 v : b) a(v);
	for (i64 v : p) a(v);
	for (i64 v : q) a(v);
	a(alpha)(act)(lo)(hi);
	run("matmul_f32", ceilDiv(m, 64), ceilDiv(n, 64), batch, a);
	REQUIRE(x.whole() && w.whole() && y.whole(), "matmul_f32 wrote beside an array");
	int wrong = 0;
	for (i64 e = 0; e < batch; e++) {
		i64 xo = 0, wo = 0, at = e;
		for (int i = 3; i >= 0; i--) xo += at % b[i] * p[i], wo += at % b[i] * q[i], at /= b[i];
		for (i64 i = 0; i < m; i++)
			for (i64 j = 0; j < n; j++) {
				double sum = 0, size = 0;
				for (i64 l = 0; l < k; l++) {
					double t = (double)x[(size_t)(xo + i * xm + l * xk)] * w[(size_t)(wo + l * wk + j * wn)];
					sum += t, size += std::fabs(t);
				}
				double want = clampTo((float)(alpha * sum), act, (float)lo, (float)hi);
				wrong += !(std::fabs(y[(size_t)((e * m + i) * n + j)] - want) <= 1e-6 * (size + 1));
			}
	}
	REQUIRE(wrong == 0, "matmul_f32: %d outputs: [%lld %lld %lld] transposed %d %d", wrong, m, n, k, ta, tb);
}

void deconv(i64 g, bool bias, i64 act) {
	const i64 n = 1 + pick(2), h = 1 + pick(5), w = 1 + pick(5), cg = 1 + pick(4), ocg = 1 + pick(5), kh = 1 + pick(3), kw = 1 + pick(3);
	const i64 sh = 1 + pick(3), sw = 1 + pick(3), dh = 1 + pick(2), dw = 1 + pick(2), pt = pick(2), pl = pick(2);
	const i64 c = cg * g, oc = ocg * g, oh = sh * (h - 1) + (kh - 1) * dh + 1 + pick(2), ow = sw * (w - 1) + (kw - 1) * dw + 1;
	Array x((size_t)(n * h * w * c)), ws((size_t)(c * kh * kw * ocg)), b((size_t)oc), y((size_t)(n * oh * ow * oc));
	x.random(), ws.random(), b.random();
	std::vector<double> want(y.n);
	for (size_t i = 0; i < y.n; i++) want[i] = bias ? b[i % (size_t)oc] : 0;
	for (i64 i = 0; i < n * h * w; i++)
		for (i64 t = 0; t < kh * kw; t++) {
			const i64 py = i / w % h * sh + t / kw * dh - pt, px = i % w * sw + t % kw * dw - pl;
			if (py < 0 || py >= oh || px < 0 || px >= ow) continue;
			for (i64 k = 0; k < c; k++)
				for (i64 o = 0; o < ocg; o++)
					want[(size_t)(((i / w / h * oh + py) * ow + px) * oc + k / cg * ocg + o)] +=
					    (double)x[(size_t)(i * c + k)] * ws[(size_t)((k * kh * kw + t) * ocg + o)];
		}
	Params p;
	p(x.data())(ws.data())(bias ? b.data() : nullptr)(y.data());
	for (i64 q : {n, h, w, c, oh, ow, oc, kh, kw, sh, sw, dh, dw, pt, pl, g, act}) p(q);
	p(-0.25)(0.75);
	run("deconv_f32", ceilDiv((i64)y.n, 256), 1, 1, p);
	REQUIRE(x.whole() && ws.whole() && y.whole(), "deconv_f32 wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < y.n; i++) wrong += !(std::fabs(y[i] - clampTo((float)want[i], act, -0.25f, 0.75f)) < 1e-5);
	REQUIRE(wrong == 0, "deconv_f32: %d outputs", wrong);
}

double reduced(i64 fn, const std::vector<double> &v) {
	double sum = fn == 2 ? -INFINITY : fn == 3 ? INFINITY : fn == 4 ? 1 : 0, top = -INFINITY;
	for (double e : v) top = std::fmax(top, e);
	for (double e : v) {
		switch (fn) {
		case 2: sum = std::isnan(e) || std::isnan(sum) ? NAN : std::fmax(sum, e); break;
		case 3: sum = std::isnan(e) || std::isnan(sum) ? NAN : std::fmin(sum, e); break;
		case 4: sum *= e; break;
		case 5: sum += std::fabs(e); break;
		case 6: case 9: sum += e * e; break;
		case 8: sum += e == top ? 1 : std::exp(e - top); break;
		default: sum += e;
		}
	}
	switch (fn) {
	case 0: return sum / (double)v.size();
	case 6: return std::sqrt(sum);
	case 7: return std::log(sum);
	case 8: return top == -INFINITY ? top : top + std::log(sum);
	}
	return sum;
}

void reduce(i64 fn, i64 wide, i64 special) {
	// Dimension i of x is kept or reduced.
	i64 d[6] = {1, 1, 1, 1, 1, 1}, s[6] = {}, e[6] = {1, 1, 1, 1, 1, 1}, t[6] = {}, size = 1, n = 1, m = 1;
	for (int i = 5; i > 0; i--) {
		const i64 len = i == 4 && wide ? 1 + pick(70) : 1 + pick(5);
		if (pick(2))
			d[i] = len, s[i] = size, n *= len;
		else
			e[i] = len, t[i] = size, m *= len;
		size *= len;
	}
	Array x((size_t)size), y((size_t)n);
	x.random();
	for (size_t i = 0; i < x.n && fn == 7; i++) x[i] = std::fabs(x[i]) + 0.01f;
	if (special == 1) x[pick((unsigned)x.n)] = NAN;
	if (special == 2)
		for (size_t i = 0; i < x.n; i++) x[i] = i % 3 ? -INFINITY : x[i];
	Params p;
	p(x.data())(y.data())(n)(m)(fn)(wide);
	for (i64 q : d) p(q);
	for (i64 q : s) p(q);
	for (i64 q : e) p(q);
	for (i64 q : t) p(q);
	run("reduce_f32", wide ? n : ceilDiv(n, 256), 1, 1, p);
	REQUIRE(x.whole() && y.whole(), "reduce_f32 wrote beside an array");
	auto at = [](i64 i, const i64 *dims, const i64 *strides) {
		i64 o = 0;
		for (int j = 5; j >= 0; j--) o += i % dims[j] * strides[j], i /= dims[j];
		return o;
	};
	for (i64 i = 0; i < n; i++) {
		std::vector<double> v;
		double mass = 1;
		for (i64 j = 0; j < m; j++) v.push_back(x[(size_t)(at(i, d, s) + at(j, e, t))]), mass += std::fabs(v.back());
		const double want = reduced(fn, v), got = y[(size_t)i];
		REQUIRE(got == want || (std::isnan(got) && std::isnan(want)) || std::fabs(got - want) <= 2e-6 * mass,
		        "reduce_f32 fn %lld wide %lld of %lld: %g, not %g", fn, wide, m, got, want);
	}
}

void norm(i64 outer, i64 pos, i64 groups, i64 width, i64 one, i64 what) {
	Array x((size_t)(outer * pos * groups * width)), scale((size_t)(one ? groups : groups * width)), bias(scale.n),
	    y(what ? (size_t)(outer * groups) : x.n);
	x.random(), scale.random(), bias.random();
	for (size_t i = 0; i < x.n; i++) x[i] += 3; // a mean that counts
	const bool affine = pick(3) > 0;
	const double eps = 1e-3;
	run("norm_f32", outer * groups, 1, 1,
	    Params()(x.data())(affine ? scale.data() : nullptr)(affine ? bias.data() : nullptr)(y.data())(outer)(pos)(groups)(width)(one)(one)(what)(eps));
	REQUIRE(x.whole() && y.whole(), "norm_f32 wrote beside an array");
	for (i64 set = 0; set < outer * groups; set++) {
		auto at = [&](i64 p, i64 j) { return (size_t)(((set / groups * pos + p) * groups + set % groups) * width + j); };
		double sum = 0, square = 0, count = (double)(pos * width);
		for (i64 i = 0; i < pos * width; i++) sum += x[at(i / width, i % width)];
		const double mean = sum / count;
		for (i64 i = 0; i < pos * width; i++) square += std::pow(x[at(i / width, i % width)] - mean, 2);
		const double inv = 1 / std::sqrt(square / count + eps);
		if (what) {
			const double want = what == 1 ? mean : inv;
			REQUIRE(std::fabs(y[(size_t)set] - want) <= 3e-6 * want, "norm_f32 what %lld: %g, not %g", what, (double)y[(size_t)set], want);
			continue;
		}
		int wrong = 0;
		for (i64 i = 0; i < pos * width; i++) {
			const size_t c = (size_t)(one ? set % groups : set % groups * width + i % width);
			double want = (x[at(i / width, i % width)] - mean) * inv * (affine ? scale[c] : 1) + (affine ? bias[c] : 0);
			wrong += !(std::fabs(y[at(i / width, i % width)] - want) <= 1e-6 * (3 * inv + 2));
		}
		REQUIRE(wrong == 0, "norm_f32 [%lld %lld %lld %lld]: %d outputs", outer, pos, groups, width, wrong);
	}
}

} // namespace

void checkProducts() {
	for (int i = 0; i < 40; i++) matmul(1 + pick(i % 4 ? 9 : 80), 1 + pick(i % 3 ? 9 : 80), 1 + pick(40), pick(2), pick(2), pick(2));
	for (int i = 0; i < 100; i++) deconv(1 + pick(3), pick(2), pick(2));
	for (i64 fn = 0; fn < 10; fn++)
		for (int i = 0; i < 12; i++) reduce(fn, i % 2, i == 10 && (fn == 2 || fn == 3) ? 1 : i > 7 && i < 10 && fn == 8 ? 2 : 0);
	for (int i = 0; i < 40; i++) norm(1 + pick(3), 1 + pick(20), 1 + pick(4), 1 + pick(i % 5 ? 6 : 300), pick(2), i % 4 ? 0 : pick(3));
}
