// The tiles of matrix products, and walking a kernel window.
#pragma once
#include "cuda_min.h"

enum { TILE = 64, STEP = 16, PITCH = TILE + 4 }; // a pitch of 16-byte multiples for shared4

// Taps walks k = (kh, kw, c) upwards.
struct Taps {
	int kh, kw, c;
	__device__ void skip(int n, int cg, int kws) {
		for (c += n; c >= cg;) {
			c -= cg;
			if (++kw == kws) {
				kw = 0;
				kh++;
			}
		}
	}
	// around begins again after the last tap: weights of two parts meet x twice.
	__device__ void around(int n, int cg, int kws, int khs) {
		for (c += n; c >= cg;) {
			c -= cg;
			if (++kw == kws) {
				kw = 0;
				if (++kh == khs) kh = 0;
			}
		}
	}
};
