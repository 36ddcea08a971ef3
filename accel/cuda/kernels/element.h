// The types of tensors' elements beside float: two bytes in memory, float in
// registers. Storing rounds to nearest, ties to even.
#pragma once
#include "cuda_min.h"

typedef unsigned short u16;

// half is IEEE's binary16.
struct half {
	u16 bits;
	half() = default;
	__device__ half(float v) {
#ifdef TEFF_HOST
		bits = emulate::toHalf(v);
#else
		asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
#endif
	}
	__device__ operator float() const {
#ifdef TEFF_HOST
		return emulate::fromHalf(bits);
#else
		float v;
		asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(bits));
		return v;
#endif
	}
};

// bfloat is the upper half of a float.
struct bfloat {
	u16 bits;
	bfloat() = default;
	__device__ bfloat(float v) {
#ifdef TEFF_HOST
		bits = emulate::toBfloat(v);
#else
		asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(v));
#endif
	}
	__device__ operator float() const { return __builtin_bit_cast(float, (u32)bits << 16); }
};
