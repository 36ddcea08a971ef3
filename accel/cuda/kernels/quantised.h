// Numbers of 8 bits: how they are read, and how sums become them.
#pragma once
#include "cuda_min.h"
#include "math.h"

typedef unsigned char u8;

// number is a stored integer.
__device__ static inline int number(u8 b, bool isSigned) { return isSigned ? (int)(signed char)b : (int)b; }

// nearest rounds to a whole number, halves to even.
__device__ static inline float nearest(float v) { return __builtin_rintf(v); }

// stored is clamp(nearest(v)+zero, lo, hi); no number gives lo.
__device__ static inline u8 stored(float v, int zero, int lo, int hi) {
	const float r = nearest(v), least = (float)(lo - zero), most = (float)(hi - zero);
	return (u8)((r > least ? r < most ? (int)r : hi - zero : lo - zero) + zero);
}

// limited is v within [lo, hi].
__device__ static inline u8 limited(int v, int lo, int hi) { return (u8)(v < lo ? lo : v > hi ? hi : v); }
