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
	Params p;
	p(x.data())(d.data())(dw.data());
	for (i64 q : {v.n, v.h, v.w, v.c, v.oh, v.ow, oc, v.kh, v.kw, v.sh, v.sw, v.dh, v.dw, v.pt, v.pl, g}) p(q);
	run("convgrad_f32", ceilDiv(k, 64), ceilDiv(ocg, 64), g, p);
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
	Array x((size_t)(rows * cols)), labels((size_t)rows), l((size_t)rows), dx(x.n);
	x.random();
	for (size_t i = 0; i < x.n; i++) x[i] *= scale;
	for (i64 r = 0; r < rows; r++) labels[(size_t)r] = (float)pick((unsigned)cols);
	run("lossgrad_f32", rows, 1, 1, Params()(x.data())(labels.data())(l.data())(dx.data())(rows)(cols));
	REQUIRE(x.whole() && labels.whole() && l.whole() && dx.whole(), "lossgrad_f32 wrote beside an array");
	for (i64 r = 0; r < rows; r++) {
		const float *at = x.data() + r * cols;
		const i64 label = (i64)labels[(size_t)r];
		double top = -INFINITY, sum = 0, worst = 0;
		for (i64 c = 0; c < cols; c++) top = std::fmax(top, at[c]);
		for (i64 c = 0; c < cols; c++) sum += std::exp(at[c] - top);
		for (i64 c = 0; c < cols; c++) {
			const double e = std::fabs(dx[(size_t)(r * cols + c)] * (double)rows - (std::exp(at[c] - top) / sum - (c == label)));
			worst = !(e <= worst) ? e : worst;
		}
		const double want = std::log(sum) - (at[label] - top), e = std::fabs(l[(size_t)r] * (double)rows - want) / (1 + want);
		REQUIRE(worst < 1e-6 && e < 1e-6, "lossgrad_f32 [%lld %lld]: gradient %g, loss %g", rows, cols, worst, e);
	}
}

void pointwise(i64 n) {
	const double lo = 0, hi = 0.5, momentum = 0.9, decay = 1e-2;
	Array y((size_t)n), d(y.n), dx(y.n), w(y.n), v(y.n), rate(1);
	y.random(), d.random(), w.random(), v.random();
	rate[0] = 0.1f;
	for (size_t i = 0; i < y.n; i++) y[i] = std::fmin(std::fmax(y[i], (float)lo), (float)hi);
	const std::vector<float> w0(w.data(), w.data() + n), v0(v.data(), v.data() + n);
	run("clampgrad_f32", ceilDiv(n, 256), 1, 1, Params()(y.data())(d.data())(dx.data())(n)(lo)(hi));
	run("sgd_f32", ceilDiv(n, 256), 1, 1, Params()(w.data())(d.data())(v.data())(rate.data())(n)(momentum)(decay));
	REQUIRE(y.whole() && d.whole() && dx.whole() && w.whole() && v.whole() && rate.whole(), "a pointwise gradient wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < y.n; i++) {
		const double moved = momentum * v0[i] + d[i] + decay * w0[i];
		wrong += !(dx[i] == (y[i] > (float)lo && y[i] < (float)hi ? d[i] : 0)) + !(std::fabs(v[i] - moved) <= 1e-6) +
		         !(std::fabs(w[i] - (w0[i] - 0.1 * moved)) <= 1e-6);
	}
	REQUIRE(wrong == 0, "clampgrad_f32 or sgd_f32 of %lld: %d numbers", n, wrong);
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
	for (i64 n : {1, 255, 256, 257, 1000}) pointwise(n);
}
