// What the kernels use of CUDA C++, without NVIDIA's headers: through clang's
// builtins for the device, and through emulate/emulate.h for the host, where
// g++ compiles the same kernels as ordinary C++ (TEFF_HOST).
//
// Every parameter of a kernel has 8 bytes: a pointer, an i64 or a double.
#pragma once

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;

#ifdef TEFF_HOST
#include "emulate/emulate.h"
#else
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

__device__ static inline int threadX() { return __nvvm_read_ptx_sreg_tid_x(); }
__device__ static inline int blockX() { return __nvvm_read_ptx_sreg_ctaid_x(); }
__device__ static inline int blockY() { return __nvvm_read_ptx_sreg_ctaid_y(); }
__device__ static inline int blockZ() { return __nvvm_read_ptx_sreg_ctaid_z(); }
__device__ static inline void barrier() { __syncthreads(); }
#endif

#define INLINE __attribute__((always_inline))

#define KERNEL extern "C" __global__ void __launch_bounds__(256)
// KERNELS is a kernel of which a multiprocessor shall hold n blocks: it bounds the
// registers.
#define KERNELS(n) extern "C" __global__ void __launch_bounds__(256, n)

struct alignas(16) f4 {
	float v[4];
};

// shared4 reads 16 bytes of shared memory in one access: clang splits them
// into four.
__device__ static inline f4 shared4(const float *p) {
	f4 r;
#ifdef TEFF_HOST
	for (int i = 0; i < 4; i++) r.v[i] = p[i];
#else
	u32 at = (u32)(u64)(const __attribute__((address_space(3))) float *)p;
	asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
	             : "=f"(r.v[0]), "=f"(r.v[1]), "=f"(r.v[2]), "=f"(r.v[3])
	             : "r"(at)
	             : "memory");
#endif
	return r;
}

// global4 reads 16 aligned bytes that nothing writes while the kernel runs.
__device__ static inline f4 global4(const float *p) {
	f4 r;
#ifdef TEFF_HOST
	for (int i = 0; i < 4; i++) r.v[i] = p[i];
#else
	asm("ld.global.nc.v4.f32 {%0, %1, %2, %3}, [%4];"
	    : "=f"(r.v[0]), "=f"(r.v[1]), "=f"(r.v[2]), "=f"(r.v[3])
	    : "l"(p));
#endif
	return r;
}

__device__ static inline bool aligned16(const void *p) { return ((u64)p & 15) == 0; }

// element is the thread's place in a kernel of one dimension.
__device__ static inline i64 element() { return (i64)blockX() * 256 + threadX(); }

// clampAct is the activation that kernels apply as they store: act 0 none, 1
// the limits. NaN stays NaN.
__device__ static inline float clampAct(float v, i64 act, float lo, float hi) {
	if (act == 0) return v;
	return v < lo ? lo : v > hi ? hi : v;
}
