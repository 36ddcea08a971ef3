// The kernels of a training step against loops over every product.
#include "window.h"

namespace {

// The gradients of a convolution with two-sided loops: each tap adds to both.
void convolution(Window v, i64 oc, i64 g, size_t shift) {
	const i64 cg = v.c / g, ocg = oc / g, rows = v.n * v.oh * v.ow, k = v.kh * v.kw * cg;
	Array x((size_t)(v.n * v.h * v.w * v.c), shift), w((size_t)(oc * k), shift), d((size_t)(rows * oc), shift), dx(x.n, shift), dw(w.n, shift);
	x.random(), w.random(), d.random();
	std::vector<double> wantX(x.n), sizeX(x.n), wantW(w.n), sizeW(w.n);
	auto add = [](double t, double &sum, double &size) { sum += t, size += std::fabs(t); };
	for (i64 m = 0; m < rows; m++) {
		const i64 n = m / (v.oh * v.ow), oh = m / v.ow % v.oh, ow = m % v.ow;
		for (i64 t = 0; t < v.kh * v.kw; t++) {
			const i64 ih = oh * v.sh - v.pt + t / v.kw * v.dh, iw = ow * v.sw - v.pl + t % v.kw * v.dw;
			if (ih < 0 || ih >= v.h || iw < 0 || iw >= v.w) continue;
			for (i64 o = 0; o < oc; o++)
				for (i64 c = 0; c < cg; c++) {
					const size_t at = (size_t)(((n * v.h + ih) * v.w + iw) * v.c + o / ocg * cg + c), to = (size_t)(o * k + t * cg + c);
					const double e = d[(size_t)(m * oc + o)];
					add(e * x[at], wantW[to], sizeW[to]);
					add(e * w[to], wantX[at], sizeX[at]);
				}
		}
	}
	const i64 steps = ceilDiv(rows, 16), cut = stretch(steps, g), parts = cut ? ceilDiv(steps, cut) : 1;
	Array part((size_t)(cut ? parts * oc * k : 1));
	Params p;
	p(x.data())(d.data())(cut ? part.data() : dw.data());
	for (i64 q : {v.n, v.h, v.w, v.c, v.oh, v.ow, oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, g}) p(q);
	run("convgrad_f32", ceilDiv(k, 64), ceilDiv(ocg, 64), g * parts, p(cut));
	if (cut) join("f32", part, nullptr, nullptr, dw.data(), oc, k, k, 0, 0, 0);
	p = Params();
	p(d.data())(w.data())(nullptr)(dx.data());
	for (i64 q : {v.n, v.oh, v.ow, oc, v.h, v.w, v.c, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, g, (i64)0}) p(q);
	p(0.0)(0.0);
	run("deconv_f32", ceilDiv((i64)x.n, 256), 1, 1, p);
	REQUIRE(x.whole() && w.whole() && d.whole() && dx.whole() && dw.whole(), "a convolution's gradient wrote beside an array");
	int wrongW = 0, wrongX = 0;
	for (size_t i = 0; i < w.n; i++) wrongW += !(std::fabs(dw[i] - wantW[i]) <= 1e-6 * (sizeW[i] + 1));
	for (size_t i = 0; i < x.n; i++) wrongX += !(std::fabs(dx[i] - wantX[i]) <= 1e-6 * (sizeX[i] + 1));
	REQUIRE(wrongW == 0 && wrongX == 0,
	        "convgrad_f32: %d weights, deconv_f32: %d inputs: [%lld %lld %lld %lld] to [%lld %lld %lld], kernel %lldx%lld stride %lld %lld dilation %lld %lld pad %lld %lld groups %lld",
	        wrongW, wrongX, v.n, v.h, v.w, v.c, v.oh, v.ow, oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, g);
}

// A bias has the sum of a column.
void bias(i64 rows, i64 c) {
	Array d((size_t)(rows * c)), db((size_t)c);
	d.random();
	Params p;
	p(d.data())(db.data())(c)(rows)((i64)1)((i64)0);
	for (i64 q : {(i64)1, (i64)1, (i64)1, (i64)1, (i64)1, c, (i64)0, (i64)0, (i64)0, (i64)0, (i64)0, (i64)1}) p(q);
	for (i64 q : {(i64)1, (i64)1, (i64)1, (i64)1, (i64)1, rows, (i64)0, (i64)0, (i64)0, (i64)0, (i64)0, c}) p(q);
	run("reduce_f32", ceilDiv(c, 256), 1, 1, p);
	REQUIRE(d.whole() && db.whole(), "reduce_f32 wrote beside an array");
	for (i64 i = 0; i < c; i++) {
		double sum = 0;
		for (i64 r = 0; r < rows; r++) sum += d[(size_t)(r * c + i)];
		REQUIRE(std::fabs(db[(size_t)i] - sum) <= 1e-6 * (double)(rows + 1), "a bias's gradient [%lld %lld] at %lld", rows, c, i);
	}
}

void batchNorm(i64 rows, i64 c) {
	const double eps = 1e-3, keep = 0.9, more = rows > 1 ? (double)rows / (double)(rows - 1) : 1;
	Array x((size_t)(rows * c)), d(x.n), y(x.n), dx(x.n), mean((size_t)c), inv(mean.n), scale(mean.n), shift(mean.n), dscale(mean.n),
	    dshift(mean.n), runMean(mean.n), runVar(mean.n);
	x.random(), d.random(), scale.random(), shift.random(), runMean.random(), runVar.random();
	for (size_t i = 0; i < x.n; i++) x[i] += 3 * (float)(i % (size_t)c % 5); // columns off zero
	const std::vector<float> oldMean(runMean.data(), runMean.data() + c), oldVar(runVar.data(), runVar.data() + c);
	const i64 columns = ceilDiv(c, 32), n = rows * c, blocks = ceilDiv(n, 256);
	run("bnstats_f32", columns, 1, 1, Params()(x.data())(mean.data())(inv.data())(runMean.data())(runVar.data())(rows)(c)(eps)(keep)(more));
	run("bnapply_f32", blocks, 1, 1, Params()(x.data())(mean.data())(inv.data())(scale.data())(shift.data())(y.data())(n)(c));
	run("bnsums_f32", columns, 1, 1, Params()(x.data())(d.data())(mean.data())(inv.data())(dscale.data())(dshift.data())(rows)(c));
	run("bngrad_f32", blocks, 1, 1,
	    Params()(x.data())(d.data())(mean.data())(inv.data())(scale.data())(dscale.data())(dshift.data())(dx.data())(n)(c));
	REQUIRE(x.whole() && d.whole() && y.whole() && dx.whole() && mean.whole() && inv.whole() && scale.whole() && shift.whole() && dscale.whole() &&
	            dshift.whole() && runMean.whole() && runVar.whole(), "batch norm wrote beside an array");
	int wrong = 0;
	auto near = [&](double got, double want, double size) { wrong += !(std::fabs(got - want) <= size); };
	for (i64 k = 0; k < c; k++) {
		const size_t at = (size_t)k;
		double m = 0, var = 0, sum = 0, cross = 0;
		for (i64 r = 0; r < rows; r++) m += x[(size_t)(r * c + k)];
		m /= (double)rows;
		for (i64 r = 0; r < rows; r++) var += (x[(size_t)(r * c + k)] - m) * (x[(size_t)(r * c + k)] - m);
		var /= (double)rows;
		const double s = 1 / std::sqrt(var + eps);
		for (i64 r = 0; r < rows; r++) {
			const double e = d[(size_t)(r * c + k)];
			sum += e, cross += e * (x[(size_t)(r * c + k)] - m) * s;
		}
		near(mean[at], m, 1e-5), near(inv[at] / s, 1, 1e-4);
		near(runMean[at], keep * oldMean[at] + (1 - keep) * m, 1e-5);
		near(runVar[at], keep * oldVar[at] + (1 - keep) * var * more, 1e-5);
		near(dscale[at], cross, 1e-5 * (double)rows * s), near(dshift[at], sum, 1e-6 * (double)(rows + 1));
		for (i64 r = 0; r < rows; r++) {
			const size_t i = (size_t)(r * c + k);
			const double hat = (x[i] - m) * s;
			near(y[i], hat * scale[at] + shift[at], 1e-5 * s);
			near(dx[i], scale[at] * s * (d[i] - sum / (double)rows - hat * cross / (double)rows), 1e-5 * s * s);
		}
	}
	REQUIRE(wrong == 0, "batch norm in training [%lld %lld]: %d numbers", rows, c, wrong);
}

// The largest of windows, whose numbers are often the same: the first has it all.
void largest(Window v) {
	const i64 rows = v.n * v.oh * v.ow;
	Array x((size_t)(v.n * v.h * v.w * v.c)), d((size_t)(rows * v.c)), dx(x.n);
	x.random(), d.random();
	for (size_t i = 0; i < x.n; i++) x[i] = (float)pick(5) - 2;
	std::vector<double> want(x.n);
	for (i64 m = 0; m < rows; m++)
		for (i64 c = 0; c < v.c; c++) {
			i64 best = -1;
			for (i64 t = 0; t < v.kh * v.kw; t++) {
				const i64 ih = m / v.ow % v.oh * v.sh - v.pt + t / v.kw * v.dh, iw = m % v.ow * v.sw - v.pl + t % v.kw * v.dw;
				if (ih < 0 || ih >= v.h || iw < 0 || iw >= v.w) continue;
				const i64 at = ((m / (v.oh * v.ow) * v.h + ih) * v.w + iw) * v.c + c;
				if (best < 0 || x[(size_t)at] > x[(size_t)best]) best = at;
			}
			if (best >= 0) want[(size_t)best] += d[(size_t)(m * v.c + c)];
		}
	Params p;
	p(x.data())(d.data())(dx.data());
	for (i64 q : {v.n, v.h, v.w, v.c, v.oh, v.ow, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl}) p(q);
	run("maxgrad_f32", ceilDiv((i64)x.n, 256), 1, 1, p);
	REQUIRE(x.whole() && d.whole() && dx.whole(), "maxgrad_f32 wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < x.n; i++) wrong += !(std::fabs(dx[i] - want[i]) <= 1e-5);
	REQUIRE(wrong == 0, "maxgrad_f32: %d inputs: [%lld %lld %lld %lld] to [%lld %lld], kernel %lldx%lld stride %lld %lld dilation %lld %lld pad %lld %lld",
	        wrong, v.n, v.h, v.w, v.c, v.oh, v.ow, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl);
}

void loss(i64 rows, i64 cols, float scale) {
	const bool weighted = pick(2), spread = pick(2);
	const double smooth = spread ? 0.1 : 0;
	Array x((size_t)(rows * cols)), labels((size_t)rows), l((size_t)rows), dx(x.n), w((size_t)cols);
	x.random(), w.random();
	for (size_t i = 0; i < x.n; i++) x[i] *= scale;
	for (size_t i = 0; i < w.n; i++) w[i] = weighted ? std::fabs(w[i]) + 0.1f : 1;
	double all = 0;
	for (i64 r = 0; r < rows; r++) labels[(size_t)r] = (float)pick((unsigned)cols), all += w[(size_t)labels[(size_t)r]];
	run("lossgrad_f32", rows, 1, 1, Params()(x.data())(labels.data())(weighted ? w.data() : nullptr)(l.data())(dx.data())(rows)(cols)(smooth));
	REQUIRE(x.whole() && labels.whole() && l.whole() && dx.whole(), "lossgrad_f32 wrote beside an array");
	for (i64 r = 0; r < rows; r++) {
		const float *at = x.data() + r * cols;
		const i64 label = (i64)labels[(size_t)r];
		double top = -INFINITY, sum = 0, worst = 0, want = 0, mass = 0;
		for (i64 c = 0; c < cols; c++) top = std::fmax(top, at[c]);
		for (i64 c = 0; c < cols; c++) sum += std::exp(at[c] - top);
		auto t = [&](i64 c) { return w[(size_t)c] * ((c == label ? 1 - smooth : 0) + smooth / (double)cols); };
		for (i64 c = 0; c < cols; c++) mass += t(c), want += t(c) * (std::log(sum) - (at[c] - top));
		for (i64 c = 0; c < cols; c++) {
			const double e = std::fabs(dx[(size_t)(r * cols + c)] * all - (mass * std::exp(at[c] - top) / sum - t(c)));
			worst = !(e <= worst) ? e : worst;
		}
		const double e = std::fabs(l[(size_t)r] * all - want) / (1 + want);
		REQUIRE(worst < 2e-6 && e < 2e-6, "lossgrad_f32 [%lld %lld]: gradient %g, loss %g", rows, cols, worst, e);
	}
}

// Dropout against the same generator, for each number of a pair's half.
void dropout(i64 n) {
	const double rate = 0.3;
	Array x((size_t)n), y(x.n);
	x.random();
	uint64_t key = 0x123456789abcdef0ull + (uint64_t)n;
	const i64 limit = (i64)(rate * 4294967296.0) - 1;
	run("dropout_f32", ceilDiv(n, 512), 1, 1, Params()(x.data())((const void *)&key)(y.data())(n)(limit)(1 / (1 - rate)));
	REQUIRE(x.whole() && y.whole(), "dropout_f32 wrote beside an array");
	int wrong = 0;
	for (i64 i = 0; i < n; i++) {
		uint64_t z = key + ((uint64_t)i / 2 + 1) * 0x9e3779b97f4a7c15ull;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		z ^= z >> 31;
		const i64 drawn = i % 2 ? (i64)(z >> 32) : (i64)(z & 0xffffffff);
		wrong += y[(size_t)i] != (drawn > limit ? x[(size_t)i] * (float)(1 / (1 - rate)) : 0);
	}
	REQUIRE(wrong == 0, "dropout_f32 of %lld: %d numbers", n, wrong);
}

void clamps(i64 n) {
	const double lo = 0, hi = 0.5;
	Array y((size_t)n), d(y.n), dx(y.n);
	y.random(), d.random();
	for (size_t i = 0; i < y.n; i++) y[i] = std::fmin(std::fmax(y[i], (float)lo), (float)hi);
	run("clampgrad_f32", ceilDiv(n, 256), 1, 1, Params()(y.data())(d.data())(dx.data())(n)(lo)(hi));
	REQUIRE(y.whole() && d.whole() && dx.whole(), "clampgrad_f32 wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < y.n; i++) wrong += !(dx[i] == (y[i] > (float)lo && y[i] < (float)hi ? d[i] : 0));
	REQUIRE(wrong == 0, "clampgrad_f32 of %lld: %d numbers", n, wrong);
}

// A step's numbers: rate, scale, first, apply, and Adam's two.
void gathered(i64 n, bool first) {
	Array g((size_t)n), sum(g.n), step(6);
	g.random(), sum.random(), step.random();
	step[2] = first;
	const std::vector<float> before(sum.data(), sum.data() + n);
	run("gather_f32", ceilDiv(n, 256), 1, 1, Params()(g.data())(sum.data())(step.data())(n));
	ArrayOf<double> squares((size_t)ceilDiv(n, 16384));
	run("squares_f32", ceilDiv(n, 16384), 1, 1, Params()(sum.data())(squares.data())(n));
	REQUIRE(g.whole() && sum.whole() && step.whole() && squares.whole(), "gather_f32 or squares_f32 wrote beside an array");
	int wrong = 0;
	double all = 0, want = 0;
	for (size_t i = 0; i < g.n; i++) wrong += sum[i] != (first ? g[i] : before[i] + g[i]), want += (double)sum[i] * sum[i];
	for (size_t i = 0; i < squares.n; i++) all += squares[i];
	REQUIRE(wrong == 0 && std::fabs(all - want) <= 1e-12 * want, "gather_f32 of %lld: %d numbers, squares %g and not %g", n, wrong, all, want);
}

// The verdict on an update: 0 as it is, 1 a loss, 2 a norm that is no number.
void verdict(i64 rows, i64 n, double largest, bool apply, int bad) {
	Array loss((size_t)rows), step(6), v(3);
	ArrayOf<double> sums((size_t)n);
	loss.random(), step.random();
	step[1] = 0.5f, step[3] = apply;
	double all = 0;
	for (size_t i = 0; i < sums.n; i++) sums[i] = std::fabs(number()) + 1, all += sums[i];
	if (bad == 1) loss[loss.n - 1] = INFINITY;
	if (bad == 2) sums[0] = NAN;
	run("verdict_f32", 1, 1, 1, Params()(loss.data())(sums.data())(step.data())(v.data())(rows)(n)(largest));
	REQUIRE(loss.whole() && sums.whole() && step.whole() && v.whole(), "verdict_f32 wrote beside an array");
	const double norm = std::sqrt(all) * 0.5, factor = largest > 0 && norm > largest ? 0.5 * largest / norm : 0.5;
	REQUIRE(v[1] == (apply && !bad), "verdict_f32: update %g, apply %d, bad %d", v[1], apply, bad);
	if (bad != 2) REQUIRE(std::fabs(v[2] - norm) <= 1e-6 * norm && std::fabs(v[0] - factor) <= 1e-6, "verdict_f32: norm %g and not %g, factor %g", v[2], norm, v[0]);
}

// Updates by every rule, and none where the verdict says so.
void updates(i64 n, bool go) {
	const double decay = 1e-2, m = 0.9, b2 = 0.99, eps = 1e-3;
	for (int form = 0; form < 8; form++) {
		Array w((size_t)n), g(w.n), s(w.n), q(w.n), step(6), v(3);
		w.random(), g.random(), s.random(), q.random();
		for (size_t i = 0; i < q.n; i++) q[i] = std::fabs(q[i]), s[i] = form >= 6 ? std::fabs(s[i]) : s[i];
		for (size_t i = 0; i < 6; i++) step[i] = 0;
		step[0] = 0.1f, step[4] = 2, step[5] = 3, v[0] = 0.5f, v[1] = go, v[2] = 1;
		const std::vector<float> w0(w.data(), w.data() + n), s0(s.data(), s.data() + n), q0(q.data(), q.data() + n);
		const i64 flag = form & 1, other = form >> 1 & 1;
		Params p;
		if (form < 4 || form == 7) // nesterov, decoupled; without momentum
			run("sgd_f32", ceilDiv(n, 256), 1, 1,
			    p(w.data())(g.data())(form == 7 ? nullptr : s.data())(step.data())(v.data())(n)(form == 7 ? 0.0 : m)(decay)(form == 7 ? 0ll : flag)(other));
		else if (form < 6)
			run("adam_f32", ceilDiv(n, 256), 1, 1, p(w.data())(g.data())(s.data())(q.data())(step.data())(v.data())(n)(m)(b2)(eps)(decay)(flag));
		else
			run("adagrad_f32", ceilDiv(n, 256), 1, 1, p(w.data())(g.data())(s.data())(step.data())(v.data())(n)(eps)(decay));
		REQUIRE(w.whole() && g.whole() && s.whole() && q.whole() && step.whole() && v.whole(), "an update wrote beside an array");
		int wrong = 0;
		for (size_t i = 0; i < w.n; i++) {
			double want = w0[i], state = s0[i], square = q0[i];
			const bool apart = form < 4 || form == 7 ? other : form < 6 && !flag;
			const double d = 0.5 * g[i] + (apart ? 0 : decay * w0[i]), shrink = apart ? 1 - 0.1 * decay : 1;
			if (!go) {
			} else if (form == 7) {
				want = shrink * w0[i] - 0.1 * d;
			} else if (form < 4) {
				state = m * s0[i] + d;
				want = shrink * w0[i] - 0.1 * (flag ? d + m * state : state);
			} else if (form < 6) {
				state = m * s0[i] + (1 - m) * d, square = b2 * q0[i] + (1 - b2) * d * d;
				want = shrink * w0[i] - 0.1 * 2 * state / (std::sqrt(3 * square) + eps);
			} else {
				state = s0[i] + d * d;
				want = w0[i] - 0.1 * d / (std::sqrt(state) + eps);
			}
			auto off = [](double a, double b) { return !(std::fabs(a - b) <= 3e-6 * (1 + std::fabs(b))); };
			wrong += off(w[i], want) + off(s[i], state) + off(q[i], square);
		}
		REQUIRE(wrong == 0, "update form %d of %lld, go %d: %d numbers", form, n, go, wrong);
	}
}

} // namespace

void checkGradients() {
	for (int i = 0; i < 100; i++) {
		const i64 g = 1 + pick(3), ocg = pick(3) ? 1 + pick(20) : 60 + pick(80);
		convolution(draw((1 + pick(pick(2) ? 9 : 30)) * g, 9), ocg * g, g, pick(4) == 0);
	}
	for (int i = 0; i < 60; i++) { // depthwise
		const i64 c = 1 + pick(40);
		convolution(draw(c, 12), c * (1 + pick(3)), c, 0);
	}
	// A dense layer, more pixels, weights and channels than one tile, one of each more.
	convolution({70, 1, 1, 131, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1}, 65, 1, 0);
	convolution({1, 13, 13, 65, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 13, 13}, 129, 1, 0);
	convolution({2, 23, 23, 3, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 12, 12}, 64, 1, 0);
	for (i64 c : {1, 31, 32, 33, 100, 257})
		for (i64 rows : {1, 2, 7, 8, 9, 49, 203}) bias(rows, c), batchNorm(rows, c);
	for (int i = 0; i < 150; i++) {
		Window v = draw(1 + pick(20), 12);
		if (i % 3 == 0) v.oh++, v.ow++; // a size rounded up: windows beyond the padding
		largest(v);
	}
	for (i64 cols : {1, 2, 10, 255, 256, 257, 1000, 1001}) loss(1 + pick(5), cols, cols % 2 ? 1.f : 30.f);
	for (i64 n : {1, 255, 256, 257, 511, 512, 513, 1000}) clamps(n), dropout(n), updates(n, true), updates(n, false);
	for (i64 n : {1, 255, 257, 16383, 16384, 16385, 40000}) gathered(n, true), gathered(n, false);
	for (i64 rows : {1, 255, 257})
		for (int bad : {0, 1, 2}) verdict(rows, 1 + pick(600), pick(2) ? 0.5 : 100, pick(2), bad);
	verdict(3, 5, 0, true, 0), verdict(3, 300, 0.5, true, 0);
}
