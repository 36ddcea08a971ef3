// The kernels on integers of 8 bits. They compute what the CPU does, bit for bit:
// sums are int32, and one float32 product makes a sum a result.
#include "common.h"
#include "quantised.h"

// conv_i8: sums of (x-zx)*(w-zw) and the bias, times scale [OC]. x [N,H,W,C] of
// u8, or of i8 where isSigned, w [OC,KH,KW,C/G] of i8, y rows of OC elements every
// yPitch. A thread makes one output. Grid ceil(N*OH*OW*OC/256).
KERNEL conv_i8(const u8 *x, const u8 *w, const int *bias, const float *scale, u8 *y,
               i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,
               i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 yPitch, i64 isSigned, i64 zx, i64 zw, i64 zero, i64 lo, i64 hi) {
	const i64 e = element();
	if (e >= N * OH * OW * OC) return;
	const i64 m = e / OC, n = m / (OH * OW);
	const int oc = (int)(e - m * OC), at = (int)(m - n * (OH * OW)), cg = (int)(C / G);
	const int ih0 = at / (int)OW * (int)SH - (int)PT, iw0 = at % (int)OW * (int)SW - (int)PL;
	const u8 *image = x + n * H * W * C + oc / (int)(OC / G) * cg, *tap = w + (i64)oc * KH * KW * cg;
	u32 sum = bias ? (u32)bias[oc] : 0; // sums wrap
	for (int kh = 0; kh < KH; kh++) {
		int ih = ih0 + kh * (int)DH;
		if (ih < 0 || ih >= H) continue;
		for (int kw = 0; kw < KW; kw++) {
			int iw = iw0 + kw * (int)DW;
			if (iw < 0 || iw >= W) continue;
			const u8 *p = image + ((i64)ih * W + iw) * C, *q = tap + (kh * (int)KW + kw) * cg;
#pragma unroll 1
			for (int c = 0; c < cg; c++) sum += (u32)((number(p[c], isSigned) - (int)zx) * (number(q[c], true) - (int)zw));
		}
	}
	y[m * yPitch + oc] = stored((float)(int)sum * scale[oc], (int)zero, (int)lo, (int)hi);
}

// pool_i8: mode 0 is the largest integer of a window, 1 the mean over the window
// with zx in its padding, 2 over what lies inside the image. Means are rounded half
// away from 0; where rescale, what is left of zx is brought from scale sx to sy.
// Grid ceil(N*OH*OW*C/256).
KERNEL pool_i8(const u8 *x, u8 *y, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 KH, i64 KW,
               i64 SH, i64 SW, i64 DH, i64 DW, i64 PT, i64 PL, i64 mode, i64 yPitch, i64 isSigned, i64 zx, i64 rescale,
               double sx, double sy, i64 zero, i64 lo, i64 hi) {
	const i64 e = element();
	if (e >= N * OH * OW * C) return;
	const i64 m = e / C, c = e - m * C, n = m / (OH * OW);
	const int at = (int)(m - n * (OH * OW));
	const int ih0 = at / (int)OW * (int)SH - (int)PT, iw0 = at % (int)OW * (int)SW - (int)PL;
	const u8 *image = x + n * H * W * C + c;
	int sum = 0, count = 0, top = -65536;
	for (int kh = 0; kh < KH; kh++) {
		int ih = ih0 + kh * (int)DH;
		for (int kw = 0; kw < KW; kw++) {
			int iw = iw0 + kw * (int)DW;
			if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
			int v = number(image[((i64)ih * W + iw) * C], isSigned);
			sum += v;
			count++;
			top = v > top ? v : top;
		}
	}
	u8 r;
	if (mode == 1) sum += ((int)(KH * KW) - count) * (int)zx, count = (int)(KH * KW);
	if (count == 0)
		r = limited((int)zero, (int)lo, (int)hi);
	else if (mode == 0)
		r = rescale ? stored((float)(top - (int)zx) * ((float)sx / (float)sy), (int)zero, (int)lo, (int)hi) : limited(top, (int)lo, (int)hi);
	else if (rescale)
		r = stored((float)(sum - count * (int)zx) * ((float)sx / ((float)sy * (float)count)), (int)zero, (int)lo, (int)hi);
	else
		r = limited((sum > 0 ? sum + count / 2 : sum - count / 2) / count, (int)lo, (int)hi);
	y[m * yPitch + c] = r;
}

// reduce_i8 is a function of the m elements of dims e, strides t, for each of the n
// elements of dims d, strides s, to dense y: fn 1 the sum of x-zx, 2 the largest
// x-zx, 3 the least, times scale, or where same as it is. Grid ceil(n/256).
KERNEL reduce_i8(const u8 *x, u8 *y, i64 n, i64 m, i64 fn, i64 same, i64 isSigned, i64 zx, double scale, i64 zero, i64 lo, i64 hi,
                 i64 d0, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5,
                 i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5,
                 i64 e0, i64 e1, i64 e2, i64 e3, i64 e4, i64 e5,
                 i64 t0, i64 t1, i64 t2, i64 t3, i64 t4, i64 t5) {
	const i64 out = element();
	if (out >= n) return;
	x += place(out, n, d1, d2, d3, d4, d5).at(s0, s1, s2, s3, s4, s5);
	int r = fn == 2 ? -65536 : fn == 3 ? 65536 : 0;
	for (i64 i = 0; i < m; i++) {
		int v = number(x[place(i, m, e1, e2, e3, e4, e5).at(t0, t1, t2, t3, t4, t5)], isSigned) - (int)zx;
		r = fn == 2 ? (v > r ? v : r) : fn == 3 ? (v < r ? v : r) : r + v;
	}
	y[out] = same ? (u8)(r + (int)zero) : stored((float)r * (float)scale, (int)zero, (int)lo, (int)hi);
}

// table_i8 is y = table[x] of n elements in rows of cols, rows of y every yPitch.
// Grid ceil(n/256).
KERNEL table_i8(const u8 *x, const u8 *table, u8 *y, i64 n, i64 cols, i64 yPitch) {
	const i64 e = element();
	if (e < n) y[e / cols * yPitch + e % cols] = table[x[e]];
}

// lookup_i8 is y = table[x] with numbers in the table. Grid ceil(n/256).
KERNEL lookup_i8(const u8 *x, const float *table, float *y, i64 n) {
	const i64 e = element();
	if (e < n) y[e] = table[x[e]];
}

// quantize_i8 is clamp(nearest(x/scale)+zero). Grid ceil(n/256).
KERNEL quantize_i8(const float *x, u8 *y, i64 n, double scale, i64 zero, i64 lo, i64 hi) {
	const i64 e = element();
	if (e < n) y[e] = stored(x[e] / (float)scale, (int)zero, (int)lo, (int)hi);
}

// binary_i8 is y = f(x1, x2) over the n elements of dims d, with strides s and t:
// by a table of 256 by 256 results where there is one, else
// clamp((bias + x1*m1 + x2*m2 >> shift) + zero). Grid ceil(n/256).
KERNEL binary_i8(const u8 *x1, const u8 *x2, const u8 *table, u8 *y, i64 n,
                 i64 d0, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5,
                 i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5,
                 i64 t0, i64 t1, i64 t2, i64 t3, i64 t4, i64 t5,
                 i64 signed1, i64 signed2, i64 m1, i64 m2, i64 bias, i64 shift, i64 zero, i64 lo, i64 hi) {
	const i64 e = element();
	if (e >= n) return;
	const Place p = place(e, n, d1, d2, d3, d4, d5);
	const u8 a = x1[p.at(s0, s1, s2, s3, s4, s5)], b = x2[p.at(t0, t1, t2, t3, t4, t5)];
	if (table) {
		y[e] = table[a * 256 + b];
		return;
	}
	const u32 v = (u32)bias + (u32)number(a, signed1) * (u32)m1 + (u32)number(b, signed2) * (u32)m2;
	y[e] = limited(((int)v >> (int)shift) + (int)zero, (int)lo, (int)hi);
}

// softmax_i8: along the middle of x [outer,n,inner], exponentials from a table of
// 256 are summed in order. A thread makes a line. Grid ceil(outer*inner/256).
KERNEL softmax_i8(const u8 *x, const float *exps, u8 *y, i64 outer, i64 n, i64 inner, i64 isSigned, double scale, i64 zero, i64 lo, i64 hi) {
	const i64 e = element();
	if (e >= outer * inner) return;
	const i64 base = e / inner * n * inner + e % inner;
	int top = -65536;
	for (i64 i = 0; i < n; i++) {
		int v = number(x[base + i * inner], isSigned);
		top = v > top ? v : top;
	}
	float sum = 0;
	for (i64 i = 0; i < n; i++) sum += exps[top - number(x[base + i * inner], isSigned)];
	const float f = 1 / (sum * (float)scale);
	for (i64 i = 0; i < n; i++) {
		float v = exps[top - number(x[base + i * inner], isSigned)] * f;
		y[base + i * inner] = limited((int)(v + 0.5f) + (int)zero, (int)lo, (int)hi);
	}
}

#define ELEM u8
#define NAMED(k) k##_i8
#include "move.cu"
#undef ELEM
#undef NAMED
