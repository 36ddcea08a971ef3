// The kernels of a training step, on float alone. Gradients are sums over a batch;
// every one is one number after another in one order, so that steps repeat bit for
// bit.
#include "common.h"

// convgrad_f32 is the gradient of a convolution's weights: w [OC,KH,KW,C/G] from x
// [N,H,W,C] and the result's gradient d [N,OH,OW,OC]. A block makes 64 channels by
// 64 weights of a group, a thread 4 by 4. deep, where it is not 0, is how many steps of
// 16 pixels a block adds up: w is then the sums of each stretch of the only group, [stretches,OC,KH,KW,C].
// Grid (ceil(KH*KW*C/G/64), ceil(OC/G/64), G or stretches).
KERNEL convgrad_f32(const float *x, const float *d, float *w,
                    i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,
                    i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 deep) {
	alignas(16) __shared__ float xs[STEP * PITCH];
	alignas(16) __shared__ float ds[STEP * PITCH];
	const int t = threadX(), stretch = deep ? blockZ() : 0, g = deep ? 0 : blockZ(), cg = (int)(C / G), ocg = (int)(OC / G), k = (int)(KH * KW) * cg;
	const int k0 = blockX() * TILE, oc0 = blockY() * TILE, pixels = (int)(N * OH * OW);

	// Thread t brings four neighbouring weights' x, and four channels' d, of pixel t/16.
	const int line = t / 16, part = t % 16 * 4;
	int kh[4], kw[4], c[4];
#pragma unroll
	for (int j = 0; j < 4; j++) {
		const int at = k0 + part + j, tap = at / cg;
		c[j] = at < k ? at - tap * cg : -1;
		kh[j] = tap / (int)KW * (int)DH, kw[j] = tap % (int)KW * (int)DW;
	}
	const int tx = t % 16 * 4, ty = t / 16 * 4;
	float sum[4][4] = {};
	const int first = stretch * (int)deep * STEP, last = deep && first + (int)deep * STEP < pixels ? first + (int)deep * STEP : pixels;
	w += (i64)stretch * OC * k;
	for (int m0 = first; m0 < last; m0 += STEP) {
		const int m = m0 + line;
		f4 a = {}, b = {};
		if (m < pixels) {
			const int n = m / (int)(OH * OW), at = m - n * (int)(OH * OW);
			const int ih0 = at / (int)OW * (int)SH - (int)PT, iw0 = at % (int)OW * (int)SW - (int)PL;
			const float *image = x + (i64)n * H * W * C + g * cg;
#pragma unroll
			for (int j = 0; j < 4; j++) {
				const int ih = ih0 + kh[j], iw = iw0 + kw[j];
				if (c[j] >= 0 && ih >= 0 && ih < H && iw >= 0 && iw < W) a.v[j] = image[((i64)ih * W + iw) * C + c[j]];
				if (oc0 + part + j < ocg) b.v[j] = d[(i64)m * OC + g * ocg + oc0 + part + j];
			}
		}
		barrier(); // the last step's sums are done with the tiles
#pragma unroll
		for (int j = 0; j < 4; j++) {
			xs[line * PITCH + part + j] = a.v[j];
			ds[line * PITCH + part + j] = b.v[j];
		}
		barrier();
#pragma unroll
		for (int i = 0; i < STEP; i++) {
			f4 p = shared4(ds + i * PITCH + ty), q = shared4(xs + i * PITCH + tx);
#pragma unroll
			for (int r = 0; r < 4; r++)
#pragma unroll
				for (int s = 0; s < 4; s++) sum[r][s] = fmadd(p.v[r], q.v[s], sum[r][s]);
		}
	}
#pragma unroll
	for (int r = 0; r < 4; r++)
#pragma unroll
		for (int s = 0; s < 4; s++) {
			const int oc = oc0 + ty + r, at = k0 + tx + s;
			if (oc < ocg && at < k) w[((i64)g * ocg + oc) * k + at] = sum[r][s];
		}
}

// columns sums f over the rows of a column, eight threads each, and gives the sum
// to all of them.
template <class F> __device__ static inline float columns(float *part, i64 rows, F f) {
	const int t = threadX();
	float sum = 0;
	for (i64 r = t / 32; r < rows; r += 8) sum += f(r);
	barrier(); // nobody reads the last sums any more
	part[t] = sum;
	barrier();
	sum = 0;
	for (int i = 0; i < 8; i++) sum += part[i * 32 + t % 32];
	return sum;
}

// bnstats_f32 is the mean and 1/sqrt(variance+eps) of each column of x [rows,C],
// and moves the running mean and variance: keep of them stays. The variance that
// moves is times more. Grid ceil(C/32).
KERNEL bnstats_f32(const float *x, float *mean, float *inv, float *runMean, float *runVar, i64 rows, i64 C, double eps, double keep, double more) {
	__shared__ float part[256];
	const i64 c = (i64)blockX() * 32 + threadX() % 32;
	const bool in = c < C;
	const float m = columns(part, in ? rows : 0, [&](i64 r) { return x[r * C + c]; }) / (float)rows;
	const float v = columns(part, in ? rows : 0, [&](i64 r) { float d = x[r * C + c] - m; return d * d; }) / (float)rows;
	if (!in || threadX() >= 32) return;
	mean[c] = m;
	inv[c] = 1 / sqrtF(v + (float)eps);
	runMean[c] = (float)keep * runMean[c] + (1 - (float)keep) * m;
	runVar[c] = (float)keep * runVar[c] + (1 - (float)keep) * (v * (float)more);
}

// bnapply_f32 is y = (x-mean)*inv*scale + bias over n elements in columns of C.
// Grid ceil(n/256).
KERNEL bnapply_f32(const float *x, const float *mean, const float *inv, const float *scale, const float *bias, float *y, i64 n, i64 C) {
	const i64 e = element();
	if (e >= n) return;
	const i64 c = e % C;
	y[e] = fmadd((x[e] - mean[c]) * inv[c], scale[c], bias[c]);
}

// bnsums_f32 is the gradients of scale and bias. Grid ceil(C/32).
KERNEL bnsums_f32(const float *x, const float *d, const float *mean, const float *inv, float *dscale, float *dbias, i64 rows, i64 C) {
	__shared__ float part[256];
	const i64 c = (i64)blockX() * 32 + threadX() % 32;
	const bool in = c < C;
	const float m = in ? mean[c] : 0, s = in ? inv[c] : 0;
	const float sum = columns(part, in ? rows : 0, [&](i64 r) { return d[r * C + c]; });
	const float cross = columns(part, in ? rows : 0, [&](i64 r) { return d[r * C + c] * ((x[r * C + c] - m) * s); });
	if (!in || threadX() >= 32) return;
	dscale[c] = cross;
	dbias[c] = sum;
}

// bngrad_f32 is the gradient of x, from those of scale and bias. Grid ceil(n/256).
KERNEL bngrad_f32(const float *x, const float *d, const float *mean, const float *inv, const float *scale, const float *dscale,
                  const float *dbias, float *dx, i64 n, i64 C) {
	const i64 e = element();
	if (e >= n) return;
	const i64 c = e % C;
	const float rows = (float)(n / C), xhat = (x[e] - mean[c]) * inv[c];
	dx[e] = scale[c] * inv[c] * (d[e] - dbias[c] / rows - xhat * (dscale[c] / rows));
}

// clampgrad_f32 is d where y lies between the limits, else 0. Grid ceil(n/256).
KERNEL clampgrad_f32(const float *y, const float *d, float *dx, i64 n, double lo, double hi) {
	const i64 e = element();
	if (e < n) dx[e] = y[e] <= (float)lo || y[e] >= (float)hi ? 0 : d[e];
}

// maxgrad_f32 is the gradient of the largest of windows: each gives its own to the
// first cell that has it. Grid ceil(N*H*W*C/256).
KERNEL maxgrad_f32(const float *x, const float *d, float *dx, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 KH, i64 KW,
                   i64 SH, i64 SW, i64 DH, i64 DW, i64 PT, i64 PL) {
	const i64 e = element();
	if (e >= N * H * W * C) return;
	const i64 c = e % C, n = e / C / W / H;
	const int w = (int)(e / C % W), h = (int)(e / C / W % H);
	const float *image = x + n * H * W * C + c;
	float sum = 0;
	for (int oh = 0; oh < OH; oh++) {
		const int h0 = oh * (int)SH - (int)PT;
		if (h < h0 || h > h0 + (int)(KH - 1) * (int)DH || (h - h0) % (int)DH) continue;
		for (int ow = 0; ow < OW; ow++) {
			const int w0 = ow * (int)SW - (int)PL;
			if (w < w0 || w > w0 + (int)(KW - 1) * (int)DW || (w - w0) % (int)DW) continue;
			int first = -1;
			float best = -INF;
			for (int i = 0; i < KH * KW; i++) {
				const int ih = h0 + i / (int)KW * (int)DH, iw = w0 + i % (int)KW * (int)DW;
				if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
				const float v = image[((i64)ih * W + iw) * C];
				if (first < 0 || v > best) best = v, first = ih * (int)W + iw;
			}
			if (first == h * (int)W + w) sum += d[((n * OH + oh) * OW + ow) * C + c];
		}
	}
	dx[e] = sum;
}

// lossgrad_f32: the cross-entropy of each row of scores [rows,cols] with its label,
// over the sum of the labels' weights, and the gradient of the sum of that over the
// rows. A label's probability is 1-smooth, with smooth/cols for every class; weights
// [cols] or none. Grid rows.
KERNEL lossgrad_f32(const float *x, const float *labels, const float *weights, float *loss, float *dx, i64 rows, i64 cols, double smooth) {
	__shared__ float part[256];
	const i64 row = blockX();
	if (row >= rows) return;
	x += row * cols;
	dx += row * cols;
	double all = (double)rows;
	if (weights) {
		all = 0;
		for (i64 r = 0; r < rows; r++) all += weights[(i64)labels[r]];
	}
	float top = -INF, sum = 0;
	for (i64 i = threadX(); i < cols; i += 256) top = x[i] > top || x[i] != x[i] ? x[i] : top;
	top = fold(part, top, LARGEST);
	for (i64 i = threadX(); i < cols; i += 256) sum += expF(x[i] - top);
	sum = fold(part, sum, SUM);
	const float log = logF(sum);
	const i64 label = (i64)labels[row];
	const float rest = (float)(smooth / (double)cols), most = (float)(1 - smooth) + rest;
	float cost = 0, mass = 0; // sums of w*t*-log p and of w*t
	for (i64 i = threadX(); i < cols; i += 256) {
		const float t = (i == label ? most : rest) * (weights ? weights[i] : 1.f);
		mass += t;
		if (t != 0) cost += t * (log - (x[i] - top));
	}
	mass = fold(part, mass, SUM);
	cost = fold(part, cost, SUM);
	for (i64 i = threadX(); i < cols; i += 256) {
		const float t = (i == label ? most : rest) * (weights ? weights[i] : 1.f);
		dx[i] = (mass * (expF(x[i] - top) / sum) - t) / (float)all;
	}
	if (threadX() == 0) loss[row] = cost / (float)all;
}

// dropout_f32 is y = x*scale where a number of 32 random bits is above limit, else 0: two
// elements share splitmix64 (Steele, Lea and Flood 2014) of key at their number. The
// gradient is the same of the result's. Grid ceil(n/512).
KERNEL dropout_f32(const float *x, const u64 *key, float *y, i64 n, i64 limit, double scale) {
	const i64 pair = element();
	if (2 * pair >= n) return;
	u64 z = key[0] + ((u64)pair + 1) * 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	for (i64 e = 2 * pair; e < n && e < 2 * pair + 2; e++, z >>= 32) y[e] = (i64)(u32)z > limit ? x[e] * (float)scale : 0;
}

// What a step's numbers are, and what verdict_f32 makes of them.
enum { RATE, SCALE, FIRST, APPLY, COUNT1, COUNT2 };
enum { FACTOR, GO, NORM };

// gather_f32 adds a step's gradient to those before it, the first begins anew. Grid
// ceil(n/256).
KERNEL gather_f32(const float *g, float *sum, const float *step, i64 n) {
	const i64 e = element();
	if (e < n) sum[e] = step[FIRST] != 0 ? g[e] : sum[e] + g[e];
}

// foldAll is the sum of one double a thread.
__device__ static inline double foldAll(double *part, double v) {
	const int t = threadX();
	barrier();
	part[t] = v;
	for (int half = 128; half > 0; half /= 2) {
		barrier();
		if (t < half) part[t] += part[t + half];
	}
	barrier();
	return part[0];
}

// squares_f32 is the sum of squares of 16384 numbers a block. Grid ceil(n/16384).
KERNEL squares_f32(const float *g, double *sums, i64 n) {
	__shared__ double part[256];
	double sum = 0;
	for (int i = 0; i < 64; i++) {
		const i64 e = (i64)blockX() * 16384 + i * 256 + threadX();
		if (e < n) sum += (double)g[e] * (double)g[e];
	}
	sum = foldAll(part, sum);
	if (threadX() == 0) sums[blockX()] = sum;
}

// verdict_f32 says what gradients are multiplied by, whether there is an update, and
// their norm, from n sums of squares; largest is the norm allowed, 0: any. There is
// none where a loss or the norm is no number. Grid 1.
KERNEL verdict_f32(const float *loss, const double *sums, const float *step, float *verdict, i64 rows, i64 n, double largest) {
	__shared__ double part[256];
	double all = 0, squares = 0;
	for (i64 i = threadX(); i < rows; i += 256) all += loss[i];
	all = foldAll(part, all);
	for (i64 i = threadX(); i < n; i += 256) squares += sums[i];
	squares = foldAll(part, squares);
	if (threadX() > 0) return;
	const double norm = squareRoot(squares) * (double)step[SCALE];
	const float total = (float)all;
	float factor = step[SCALE];
	if (largest > 0 && norm > largest) factor *= (float)(largest / norm);
	verdict[FACTOR] = factor;
	verdict[GO] = step[APPLY] != 0 && total - total == 0 && norm - norm == 0 ? 1 : 0;
	verdict[NORM] = (float)norm;
}

// sgd_f32 moves n weights: d = factor*g + decay*w, v = momentum*v + d, and w by rate
// times v, or, with nesterov, d + momentum*v. Decoupled decay shrinks w instead. v may
// be none, for no momentum. Grid ceil(n/256).
KERNEL sgd_f32(float *w, const float *g, float *v, const float *step, const float *verdict, i64 n, double momentum, double decay, i64 nesterov, i64 decoupled) {
	const i64 e = element();
	if (e >= n || verdict[GO] == 0) return;
	const float rate = step[RATE], m = (float)momentum, l2 = decoupled ? 0 : (float)decay;
	const float shrink = decoupled ? 1 - rate * (float)decay : 1;
	const float d = verdict[FACTOR] * g[e] + l2 * w[e];
	if (!v) {
		w[e] = shrink * w[e] - rate * d;
		return;
	}
	v[e] = m * v[e] + d;
	w[e] = shrink * w[e] - rate * (nesterov ? d + m * v[e] : v[e]);
}

// adam_f32 moves n weights by rate*(c1*m)/(sqrt(c2*v)+eps), means and squares of their
// gradients; c1 and c2 are a step's. Grid ceil(n/256).
KERNEL adam_f32(float *w, const float *g, float *mean, float *square, const float *step, const float *verdict, i64 n, double beta1, double beta2, double eps, double decay, i64 coupled) {
	const i64 e = element();
	if (e >= n || verdict[GO] == 0) return;
	const float rate = step[RATE], b1 = (float)beta1, b2 = (float)beta2;
	const float shrink = coupled ? 1 : 1 - rate * (float)decay;
	const float d = verdict[FACTOR] * g[e] + (coupled ? (float)decay : 0.f) * w[e];
	mean[e] = b1 * mean[e] + (1 - b1) * d;
	square[e] = b2 * square[e] + (1 - b2) * d * d;
	w[e] = shrink * w[e] - rate * (step[COUNT1] * mean[e]) / (sqrtF(step[COUNT2] * square[e]) + (float)eps);
}

// adagrad_f32 moves n weights by rate*d/(sqrt(h)+eps), h the sum of squares so far.
// Grid ceil(n/256).
KERNEL adagrad_f32(float *w, const float *g, float *h, const float *step, const float *verdict, i64 n, double eps, double decay) {
	const i64 e = element();
	if (e >= n || verdict[GO] == 0) return;
	const float d = verdict[FACTOR] * g[e] + (float)decay * w[e];
	h[e] += d * d;
	w[e] -= step[RATE] * d / (sqrtF(h[e]) + (float)eps);
}

#include "grads.cu"
