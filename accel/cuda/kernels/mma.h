// Convolution on tensor cores: conv_f32's product, with tiles of both operands in
// shared memory, brought there by asynchronous copies some steps ahead.
#pragma once
#include "common.h"
#include "quantised.h"
#include "warp.h"

// Window is a convolution's sizes. An image and all output pixels are numbers of 31
// bits: 64 would take registers that the sums need.
struct Window {
	int N, H, W, C, OH, OW, OC, KH, KW, SH, SW, DH, DW, PT, PL, G;
};

enum { ROW = 64 }; // bytes of a tile's row: two products deep

// inTile is where chunk (16 bytes) of a tile's row lies: turned so that neither
// eight rows' chunks nor a row's four share banks.
__device__ static inline int inTile(int row, int chunk) { return row * ROW + ((chunk ^ (row >> 1 & 3)) << 4); }

// Element is what lies in memory for a kind of product.
template <class P> struct Element {
	typedef P type;
};
template <> struct Element<tf32> {
	typedef float type;
};
template <> struct Element<int8> {
	typedef u8 type;
};

// Sum is what products are added up in.
template <class P> struct Sum {
	typedef float type;
};
template <> struct Sum<int8> {
	typedef int type;
};

// Zeros is what integers stand for 0, and how they are read: flip turns unsigned
// ones into signed ones of 128 less, fill is what lies outside an image.
struct Zeros {
	u32 flip, fill;
};

// Product makes BM output pixels by BN channels in a block of 8 warps, 2 along
// pixels and 4 along channels, with AHEAD tiles of both operands in flight or use.
// Where the terms are CUT, the last dimension of the grid counts stretches of them and
// not groups, of which there is one.
template <class P, int BM, int BN, int AHEAD, bool ROWSUMS = false, bool CUT = false> struct Product {
	typedef typename Element<P>::type E;
	typedef typename Sum<P>::type S;
	enum {
		PER = 16 / sizeof(E),   // elements of a chunk
		DEEP = ROW / sizeof(E), // of a row
		ROWS = BM / 64,         // of x that a thread brings
		COLS = BN / 64,         // of w
		MT = BM / 32,           // 16-row tiles of a warp
		NT = BN / 32,           // 8-column tiles
		BYTES = (BM + BN) * ROW // of a stage
	};
	S sum[MT][NT][4];
	S rows[ROWSUMS ? MT : 1][4]; // sums of x alone, in every column

	// gather packs a chunk whose elements may lie in several taps, or unaligned.
	__device__ INLINE static void gather(u32 *v, const E *image, const Window &c, Taps at, int ih0, int iw0, int cg, int left, E outside) {
#pragma unroll
		for (int j = 0; j < PER; j++) {
			int ih = ih0 + at.kh * c.DH, iw = iw0 + at.kw * c.DW;
			const bool inside = ih >= 0 && ih < c.H && iw >= 0 && iw < c.W;
			if (j < left) put(v, j, inside ? image[(ih * c.W + iw) * c.C + at.c] : outside);
			at.around(1, cg, c.KW, c.KH);
		}
	}
	__device__ static void put(u32 *v, int j, u8 e) { v[j / 4] |= (u32)e << j % 4 * 8; }
	__device__ static E none(u32 fill) { return none(fill, P()); }
	__device__ static u8 none(u32 fill, int8) { return (u8)fill; }
	template <class Q> __device__ static E none(u32, Q) { return E(0.f); }
	__device__ static void put(u32 *v, int j, float e) { v[j] = __builtin_bit_cast(u32, e); }
	template <class Q> __device__ static void put(u32 *v, int j, Q e) { v[j / 2] |= (u32)e.bits << j % 2 * 16; }

	// run adds up the products of all steps; of deep of them, a stretch, where terms are cut.
	__device__ INLINE void run(unsigned char *tiles, const E *x, const E *w, const Window &c, Zeros z, int parts, int deep = 0) {
		const int t = threadX(), g = CUT ? 0 : blockZ(), lane = t % 32;
		const int cg = c.C / c.G, ocg = c.OC / c.G, k = c.KH * c.KW * cg * parts;
		const int pixels = c.N * c.OH * c.OW, m0 = blockX() * BM;
		const int oc0 = blockY() * BN;

		// Loading: thread t brings chunk t%4 of every 64th row from t/4 on.
		const int line = t / 4, part = t % 4;
		const E *image[ROWS];
		const E *row[COLS];
		int ih0[ROWS], iw0[ROWS];
#pragma unroll
		for (int i = 0; i < ROWS; i++) {
			const int m = m0 + line + i * 64;
			image[i] = 0, ih0[i] = iw0[i] = 0;
			if (m < pixels) {
				const int n = m / (c.OH * c.OW), at = m - n * (c.OH * c.OW);
				ih0[i] = at / c.OW * c.SH - c.PT;
				iw0[i] = at % c.OW * c.SW - c.PL;
				image[i] = x + (i64)n * (c.H * c.W * c.C) + g * cg;
			}
		}
#pragma unroll
		for (int i = 0; i < COLS; i++) {
			const int oc = oc0 + line + i * 64;
			row[i] = oc < ocg ? w + ((i64)g * ocg + oc) * k : 0;
		}
		const bool xWhole = cg % PER == 0 && c.C % PER == 0 && aligned16(x);
		const bool wWhole = k % PER == 0 && aligned16(w);
		Taps tap = {0, 0, 0};
		int kk = part * PER + (CUT ? blockZ() * deep * DEEP : 0);
		tap.around(kk, cg, c.KW, c.KH);

		auto load = [&](int stage) INLINE {
			unsigned char *to = tiles + stage * BYTES;
#pragma unroll
			for (int i = 0; i < ROWS; i++) {
				unsigned char *at = to + inTile(line + i * 64, part);
				if (xWhole) { // the chunk is channels of one tap
					int ih = ih0[i] + tap.kh * c.DH, iw = iw0[i] + tap.kw * c.DW;
					bool there = image[i] && kk < k && ih >= 0 && ih < c.H && iw >= 0 && iw < c.W;
					if (sizeof(E) == 1 && z.fill && !there && kk < k) {
						const u32 v[4] = {z.fill, z.fill, z.fill, z.fill};
						store16(at, v);
					} else {
						copy16(at, there ? image[i] + ((ih * c.W + iw) * c.C + tap.c) : x, there);
					}
				} else {
					u32 v[4] = {};
					if (image[i]) gather(v, image[i], c, tap, ih0[i], iw0[i], cg, k - kk, none(z.fill));
					store16(at, v);
				}
			}
#pragma unroll
			for (int i = 0; i < COLS; i++) {
				unsigned char *at = to + inTile(BM + line + i * 64, part);
				if (wWhole) {
					bool there = row[i] && kk < k;
					copy16(at, there ? row[i] + kk : w, there);
				} else {
					u32 v[4] = {};
#pragma unroll
					for (int j = 0; j < PER; j++)
						if (row[i] && kk + j < k) put(v, j, row[i][kk + j]);
					store16(at, v);
				}
			}
			tap.around(DEEP, cg, c.KW, c.KH);
			kk += DEEP;
		};

#pragma unroll
		for (int i = 0; i < MT; i++)
#pragma unroll
			for (int j = 0; j < NT; j++)
#pragma unroll
				for (int r = 0; r < 4; r++) sum[i][j][r] = 0;
#pragma unroll
		for (int i = 0; i < (ROWSUMS ? MT : 1); i++)
#pragma unroll
			for (int r = 0; r < 4; r++) rows[i][r] = 0;

		int steps = (k + DEEP - 1) / DEEP;
		if (CUT) {
			steps -= blockZ() * deep;
			if (steps > deep) steps = deep;
		}
		const int warpRow = t / 32 % 2 * (BM / 2), warpCol = BM + t / 64 * (BN / 4);
		int use = 0, fill = 0;
		for (int s = 1 - AHEAD; s < steps; s++) { // the first steps only load
			if (s >= 0) {
				arrived<AHEAD - 2>();
				barrier(); // all threads' copies are there, and nobody reads the tile that comes next
			}
			if (s + AHEAD - 1 < steps) load(fill);
			commit();
			fill = fill + 1 == AHEAD ? 0 : fill + 1;
			if (s < 0) continue;
			const unsigned char *from = tiles + use * BYTES;
#pragma unroll
			for (int half = 0; half < 2; half++) {
				u32 a[MT][4], b[NT][2];
#pragma unroll
				for (int i = 0; i < MT; i++) {
					matrices(a[i], from + inTile(warpRow + i * 16 + lane % 16, half * 2 + lane / 16));
					round(P(), a[i], z);
				}
#pragma unroll
				for (int j = 0; j < NT; j += 2) {
					u32 v[4];
					matrices(v, from + inTile(warpCol + j * 8 + lane / 16 * 8 + lane % 8, half * 2 + lane / 8 % 2));
					b[j][0] = v[0], b[j][1] = v[1], b[j + 1][0] = v[2], b[j + 1][1] = v[3];
				}
#pragma unroll
				for (int i = 0; i < MT; i++)
#pragma unroll
					for (int j = 0; j < NT; j++) mma(P(), sum[i][j], a[i], b[j]);
				if (ROWSUMS) {
					const u32 ones[2] = {0x01010101, 0x01010101};
#pragma unroll
					for (int i = 0; i < (ROWSUMS ? MT : 1); i++) mma(P(), rows[i], a[i], ones);
				}
			}
			use = use + 1 == AHEAD ? 0 : use + 1;
		}
	}
	// round is for elements that products would cut off; weights are rounded before
	// they come to the device.
	template <class Q> __device__ static void round(Q, u32 *, Zeros) {}
	__device__ static void round(int8, u32 *v, Zeros z) {
#pragma unroll
		for (int i = 0; i < 4; i++) v[i] ^= z.flip;
	}
	__device__ static void round(tf32, u32 *v, Zeros) {
#pragma unroll
		for (int i = 0; i < 4; i++) v[i] = roundTF32(v[i]);
	}

	// each gives every result of this thread: its pixel, its channel, the sum and the
	// sum of x.
	template <class F> __device__ INLINE void each(const Window &c, F result) {
		const int t = threadX(), lane = t % 32, ocg = c.OC / c.G, g = CUT ? 0 : blockZ();
		const int pixels = c.N * c.OH * c.OW, m = blockX() * BM + t / 32 % 2 * (BM / 2) + lane / 4;
		const int oc = blockY() * BN + t / 64 * (BN / 4) + lane % 4 * 2;
#pragma unroll
		for (int j = 0; j < NT; j++)
#pragma unroll
			for (int q = 0; q < 2; q++) {
				const int in = oc + j * 8 + q;
				if (in >= ocg) continue;
#pragma unroll
				for (int i = 0; i < MT; i++)
#pragma unroll
					for (int r = 0; r < 2; r++) {
						const int to = m + i * 16 + r * 8;
						if (to < pixels) result(to, g * ocg + in, sum[i][j][r * 2 + q], rows[ROWSUMS ? i : 0][r * 2 + q]);
					}
			}
	}

	// partial writes the sums of a stretch as they are: to [stretches,pixels,OC].
	__device__ INLINE void partial(S *y, const Window &c) {
		y += (i64)blockZ() * (c.N * c.OH * c.OW) * c.OC;
		each(c, [&](int m, int oc, S v, S) INLINE { y[(i64)m * c.OC + oc] = v; });
	}

	// store adds bias and residual, applies the activation and writes. Tiles of 64
	// take act's word on what res and y hold, the others have no room for both.
	__device__ INLINE void store(const float *bias, const E *res, E *y, const Window &c, i64 yPitch, i64 act, float lo, float hi) {
		const bool both = BM == 64 && sizeof(E) == 2, wide = both && act & FLOAT, plus = both && act & FLOATPLUS;
		each(c, [&](int to, int oc, S v, S) INLINE {
			const i64 r = (i64)to * c.OC + oc, at = to * yPitch + oc;
			if (bias) v += bias[oc];
			if (res) v += plus ? ((const float *)res)[r] : (float)res[r];
			v = clampAct(v, act & CLAMP, lo, hi);
			if (wide)
				((float *)y)[at] = v;
			else
				y[at] = v;
		});
	}
};
