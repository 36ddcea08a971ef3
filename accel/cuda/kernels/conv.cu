// Convolution as a matrix product that is never laid out in memory:
// y[m, oc] = sum over k of x[pixel(m, k)] * w[oc, k], with m counting output
// pixels and k = (kh, kw, c). Sums go over k upwards with one rounding a step.
#include "common.h"

// conv_f32: a block makes 64 output pixels by 64 channels of a group, a thread
// 4 by 4 of them. x [N,H,W,C], w [OC,KH,KW,C/G], bias [OC] or none, res
// [N,OH,OW,OC] or none, y rows of OC elements every yPitch, stored as act says.
// deep, where it is not 0, is how many steps of 16 terms a block adds up: y is then
// the sums of each stretch of the only group, [stretches,N*OH*OW,OC], and join_f32 does
// the rest. Grid (ceil(N*OH*OW/64), ceil(OC/G/64), G or stretches).
KERNEL conv_f32(const float *x, const float *w, const float *bias, const float *res, float *y,
                i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,
                i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 yPitch, i64 act, double lo, double hi, i64 deep) {
	alignas(16) __shared__ float xs[STEP * PITCH];
	alignas(16) __shared__ float ws[STEP * PITCH];

	const int t = threadX(), stretch = deep ? blockZ() : 0, g = deep ? 0 : blockZ();
	const int cg = (int)(C / G), ocg = (int)(OC / G), k = (int)(KH * KW) * cg;
	const i64 pixels = N * OH * OW, m0 = (i64)blockX() * TILE;
	const int oc0 = blockY() * TILE;

	// Loading: thread t brings four neighbouring k of one pixel and of one channel.
	const int line = t / 4, part = t % 4 * 4;
	const i64 m = m0 + line;
	int ih0 = 0, iw0 = 0;
	const float *image = 0;
	if (m < pixels) {
		i64 n = m / (OH * OW);
		int at = (int)(m - n * (OH * OW));
		ih0 = at / (int)OW * (int)SH - (int)PT;
		iw0 = at % (int)OW * (int)SW - (int)PL;
		image = x + n * H * W * C + (i64)g * cg;
	}
	const float *row = oc0 + line < ocg ? w + ((i64)g * ocg + oc0 + line) * k : 0;
	const bool x4 = cg % 4 == 0 && C % 4 == 0 && aligned16(x);
	const bool w4 = k % 4 == 0 && aligned16(w);
	Taps tap = {0, 0, 0};
	const int first = stretch * (int)deep * STEP, last = deep && first + (int)deep * STEP < k ? first + (int)deep * STEP : k;
	tap.skip(first + part, cg, (int)KW);

	const int tx = t % 16 * 4, ty = t / 16 * 4;
	float sum[4][4] = {};
	for (int k0 = first; k0 < last; k0 += STEP) {
		f4 a = {}, b = {};
		const int kk = k0 + part;
		if (image && x4) { // the four are channels of one tap
			int ih = ih0 + tap.kh * (int)DH, iw = iw0 + tap.kw * (int)DW;
			if (kk < k && ih >= 0 && ih < H && iw >= 0 && iw < W)
				a = global4(image + ((i64)ih * W + iw) * C + tap.c);
		} else if (image) {
			Taps at = tap;
#pragma unroll
			for (int j = 0; j < 4; j++) {
				int ih = ih0 + at.kh * (int)DH, iw = iw0 + at.kw * (int)DW;
				if (kk + j < k && ih >= 0 && ih < H && iw >= 0 && iw < W)
					a.v[j] = image[((i64)ih * W + iw) * C + at.c];
				at.skip(1, cg, (int)KW);
			}
		}
		if (row && w4) {
			if (kk < k) b = global4(row + kk);
		} else if (row) {
#pragma unroll
			for (int j = 0; j < 4; j++)
				if (kk + j < k) b.v[j] = row[kk + j];
		}
		tap.skip(STEP, cg, (int)KW);

		barrier(); // the last step's sums are done with the tiles
#pragma unroll
		for (int j = 0; j < 4; j++) {
			xs[(part + j) * PITCH + line] = a.v[j];
			ws[(part + j) * PITCH + line] = b.v[j];
		}
		barrier();
#pragma unroll
		for (int i = 0; i < STEP; i++) {
			f4 p = shared4(xs + i * PITCH + ty), q = shared4(ws + i * PITCH + tx);
#pragma unroll
			for (int r = 0; r < 4; r++)
#pragma unroll
				for (int c = 0; c < 4; c++) sum[r][c] = fmadd(p.v[r], q.v[c], sum[r][c]);
		}
	}

	if (deep) y += stretch * pixels * OC;
#pragma unroll
	for (int r = 0; r < 4; r++) {
		i64 to = m0 + ty + r;
		if (to >= pixels) break;
#pragma unroll
		for (int c = 0; c < 4; c++) {
			int at = oc0 + tx + c;
			if (at >= ocg) break;
			at += g * ocg;
			float v = sum[r][c];
			if (deep) {
				y[to * OC + at] = v;
				continue;
			}
			if (bias) v += bias[at];
			if (res) v += res[to * OC + at];
			put(y, to * yPitch + at, act, clampAct(v, act & CLAMP, (float)lo, (float)hi));
		}
	}
}
