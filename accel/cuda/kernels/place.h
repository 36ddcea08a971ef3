// Where an element lies in an array of six dimensions.
#pragma once
#include "cuda_min.h"

struct Place {
	i64 i0, i1, i2, i3, i4, i5;
	__device__ i64 at(i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5) const {
		return i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4 + i5 * s5;
	}
};

template <class T> __device__ static inline Place split(T e, T d1, T d2, T d3, T d4, T d5) {
	Place p;
	p.i5 = e % d5, e /= d5;
	p.i4 = e % d4, e /= d4;
	p.i3 = e % d3, e /= d3;
	p.i2 = e % d2, e /= d2;
	p.i1 = e % d1, p.i0 = e / d1;
	return p;
}

// place is element e of n with the inner dimensions d1..d5. Division of 64 bits
// takes many times that of 32.
__device__ static inline Place place(i64 e, i64 n, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5) {
	if (n <= 0xffffffff) return split<u32>((u32)e, (u32)d1, (u32)d2, (u32)d3, (u32)d4, (u32)d5);
	return split<i64>(e, d1, d2, d3, d4, d5);
}
