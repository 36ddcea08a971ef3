// The kernels of convolutions on tensor cores on floats, as a macro: each kind's text has its own.
#pragma once
#include "mma.h"

// conv_KIND_TILE: conv_f32's parameters on elements of the kind, bias float, TILE
// by TILE a block. Weights may have two parts that add up: [OC,2,KH,KW,C/G]. Grid (ceil(N*OH*OW/TILE), ceil(OC/G/TILE), G).
#define CONV(name, P, E, TILE, AHEAD)                                                                          \
	KERNELS(TILE == 128 ? 2 : 4) name(const E *x, const E *w, const float *bias, const E *res, E *y,                                 \
	            i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,            \
	            i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 yPitch, i64 act, double lo, double hi) {            \
		alignas(128) __shared__ unsigned char tiles[AHEAD * 2 * TILE * ROW];                                   \
		const Window c = {(int)N,  (int)H,  (int)W,  (int)C,  (int)OH, (int)OW, (int)OC, (int)KH,            \
		                  (int)KW, (int)SH, (int)SW, (int)DH, (int)DW, (int)PT, (int)PL, (int)G};             \
		Product<P, TILE, TILE, AHEAD> p;                                                                       \
		p.run(tiles, x, w, c, {0, 0}, act & PARTS ? 2 : 1);                                                    \
		p.store(bias, res, y, c, yPitch, act, (float)lo, (float)hi);                                           \
	}

// cut_KIND is the sums of conv_KIND_64 over stretches of deep steps of 64 bytes of
// terms, for products of so few tiles that they leave multiprocessors idle: y
// [stretches,N*OH*OW,OC], which join adds up. There is one group, and weights have
// as many parts as parts says. Grid (ceil(N*OH*OW/64), ceil(OC/64), stretches).
#define CUT(name, P, E)                                                                                        \
	KERNELS(4) name(const E *x, const E *w, float *y, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, \
	            i64 SH, i64 SW, i64 DH, i64 DW, i64 PT, i64 PL, i64 parts, i64 deep) {                         \
		alignas(128) __shared__ unsigned char tiles[4 * 2 * 64 * ROW];                                         \
		const Window c = {(int)N,  (int)H,  (int)W,  (int)C,  (int)OH, (int)OW, (int)OC, (int)KH,            \
		                  (int)KW, (int)SH, (int)SW, (int)DH, (int)DW, (int)PT, (int)PL, 1};                  \
		Product<P, 64, 64, 4, false, true> p;                                                                  \
		p.run(tiles, x, w, c, {0, 0}, (int)parts, (int)deep);                                                  \
		p.partial(y, c);                                                                                       \
	}
