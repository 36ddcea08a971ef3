// What the parameter act of convolutions says.
#pragma once
#include "element.h"

enum {
	CLAMP = 1,     // results to [lo, hi]
	HALF = 2,      // conv_f32 and dwconv_f32: y holds half
	BFLOAT = 4,    // the same: y holds bfloat
	FLOAT = 2,     // conv_f16_64 and conv_bf16_64: y holds float
	FLOATPLUS = 4, // and these: so does res
	PARTS = 8,     // the others: w has two parts
};

// toBfloat rounds to nearest, ties to even, without the instruction that devices
// before sm_80 lack.
__device__ static inline u16 toBfloat(float v) {
	const u32 b = __builtin_bit_cast(u32, v);
	return v != v ? (u16)(b >> 16 | 0x40) : (u16)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

// put stores v as element at of y, whose type act may say.
template <class E> __device__ static inline void put(E *y, i64 at, i64, float v) { y[at] = v; }
__device__ static inline void put(float *y, i64 at, i64 act, float v) {
	if (act & HALF)
		((half *)y)[at] = v;
	else if (act & BFLOAT)
		((u16 *)y)[at] = toBfloat(v);
	else
		y[at] = v;
}
