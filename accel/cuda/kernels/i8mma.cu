// The kernels on integers of 8 bits that use tensor cores, for devices from sm_80 on: one translation unit.
#include "mma.h"

// conv_i8_TILE is conv_i8 on tensor cores, for sums of x*w with the zero point of x
// in the bias already; conv_i8z_TILE is for weights that have one, too: zw times the
// sum of x is taken off. In images x holds zx outside. With unsigned x both are of
// x-128. Grid (ceil(N*OH*OW/TILE), ceil(OC/G/TILE), G).
#define CONV8(name, TILE, AHEAD, ROWSUMS)                                                                      \
	KERNELS(TILE == 128 ? 2 : ROWSUMS ? 3 : 4) name(const u8 *x, const u8 *w, const int *bias, const float *scale, u8 *y,                          \
	            i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,            \
	            i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 yPitch, i64 isSigned, i64 zx, i64 zw, i64 zero, i64 lo, i64 hi) { \
		alignas(128) __shared__ unsigned char tiles[AHEAD * 2 * TILE * ROW];                                   \
		const Window c = {(int)N,  (int)H,  (int)W,  (int)C,  (int)OH, (int)OW, (int)OC, (int)KH,            \
		                  (int)KW, (int)SH, (int)SW, (int)DH, (int)DW, (int)PT, (int)PL, (int)G};             \
		Product<int8, TILE, TILE, AHEAD, ROWSUMS> p;                                                           \
		p.run(tiles, x, w, c, {isSigned ? 0u : 0x80808080u, ((u32)zx & 255) * 0x01010101u}, 1);       \
		const int z = (int)zw;                                                                                 \
		p.each(c, [&](int to, int oc, int v, int row) INLINE {                                                 \
			u32 sum = (u32)v + (u32)bias[oc];                                                                  \
			if (ROWSUMS) sum -= (u32)row * (u32)z;                                                             \
			y[to * yPitch + oc] = stored((float)(int)sum * scale[oc], (int)zero, (int)lo, (int)hi);            \
		});                                                                                                    \
	}

CONV8(conv_i8_128, 128, 3, false)
CONV8(conv_i8_64, 64, 4, false)
CONV8(conv_i8z_64, 64, 4, true)

// cut_i8 is the sums of conv_i8_64 over stretches of deep steps of 64 terms: y
// [stretches,N*OH*OW,OC], which join_i8 adds up; one group. Grid
// (ceil(N*OH*OW/64), ceil(OC/64), stretches).
KERNELS(4) cut_i8(const u8 *x, const u8 *w, int *y, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW,
                  i64 SH, i64 SW, i64 DH, i64 DW, i64 PT, i64 PL, i64 isSigned, i64 zx, i64 deep) {
	alignas(128) __shared__ unsigned char tiles[4 * 2 * 64 * ROW];
	const Window c = {(int)N,  (int)H,  (int)W,  (int)C,  (int)OH, (int)OW, (int)OC, (int)KH,
	                  (int)KW, (int)SH, (int)SW, (int)DH, (int)DW, (int)PT, (int)PL, 1};
	Product<int8, 64, 64, 4, false, true> p;
	p.run(tiles, x, w, c, {isSigned ? 0u : 0x80808080u, ((u32)zx & 255) * 0x01010101u}, 1, (int)deep);
	p.partial(y, c);
}

// join_i8 adds up n sums of P stretches [P,n], in any order, and the bias of each of C
// columns, and stores them as conv_i8_64 does. n is below 2^31. Grid ceil(n/256).
KERNEL join_i8(const int *part, const int *bias, const float *scale, u8 *y, i64 n, i64 C, i64 P, i64 yPitch, i64 zero, i64 lo, i64 hi) {
	const i64 e = element();
	if (e >= n) return;
	const int row = (int)e / (int)C, oc = (int)e - row * (int)C;
	u32 sum = (u32)bias[oc]; // wraps
#pragma unroll 4
	for (int p = 0; p < (int)P; p++) sum += (u32)part[p * n + e];
	y[row * yPitch + oc] = stored((float)(int)sum * scale[oc], (int)zero, (int)lo, (int)hi);
}
