// What a warp does together on devices from sm_80 on. Which thread holds which
// element of a matrix is a fact of the PTX ISA document (warp-level matrix
// instructions): with g = lane/4 and i = lane%4, in words of 4 bytes,
//
//	A, 16 rows of 32 bytes:    a0 row g word i, a1 row g+8 word i, a2 row g word i+4, a3 row g+8 word i+4
//	B, 8 columns of 32 bytes:  b0 column g word i, b1 column g word i+4
//	C and D, 16 by 8:          0 row g column 2i, 1 row g column 2i+1, 2 and 3 the same of row g+8
//
// whatever the elements are: 16 of two bytes, 8 tf32, or 32 of one byte.
#pragma once
#include "cuda_min.h"
#include "element.h"

// The kinds of products: of the elements that lie in memory.
struct tf32 {
	float v;
};
struct int8 {
	signed char v;
};

#ifdef TEFF_HOST
static inline void matrices(u32 *r, const void *row) { emulate::ldmatrix(r, row); }
static inline void mma(half, float *d, const u32 *a, const u32 *b) { emulate::mmaHalf(d, a, b); }
static inline void mma(bfloat, float *d, const u32 *a, const u32 *b) { emulate::mmaBfloat(d, a, b); }
static inline void mma(tf32, float *d, const u32 *a, const u32 *b) { emulate::mmaTF32(d, a, b); }
static inline void mma(int8, int *d, const u32 *a, const u32 *b) { emulate::mmaInt8(d, a, b); }
static inline u32 roundTF32(u32 v) { return emulate::roundTF32(v); }
static inline void copy16(void *to, const void *from, bool there) { emulate::copyAsync(to, from, there); }
static inline void commit() { emulate::commit(); }
template <int n> static inline void arrived() { emulate::arrived(n); }
static inline void store16(void *to, const u32 *v) { __builtin_memcpy(to, v, 16); }
#else
typedef const __attribute__((address_space(3))) void *SharedPtr;
__device__ static inline u32 sharedAt(const void *p) { return (u32)(u64)(SharedPtr)p; }

// matrices loads four 8 by 8 matrices of two-byte elements, or anything of 16
// bytes a row: lane l names row l%8 of matrix l/8 and gets word l%4 of row l/4 of
// each.
__device__ static inline void matrices(u32 *r, const void *row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
	             : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
	             : "r"(sharedAt(row))
	             : "memory");
}

// mma is d += a*b.
#define MMA(shape, kept)                                                                                             \
	asm volatile("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"      \
	             : kept(d[0]), kept(d[1]), kept(d[2]), kept(d[3])                                              \
	             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
__device__ static inline void mma(half, float *d, const u32 *a, const u32 *b) { MMA("m16n8k16.row.col.f32.f16.f16.f32", "+f"); }
__device__ static inline void mma(bfloat, float *d, const u32 *a, const u32 *b) { MMA("m16n8k16.row.col.f32.bf16.bf16.f32", "+f"); }
__device__ static inline void mma(tf32, float *d, const u32 *a, const u32 *b) { MMA("m16n8k8.row.col.f32.tf32.tf32.f32", "+f"); }
__device__ static inline void mma(int8, int *d, const u32 *a, const u32 *b) { MMA("m16n8k32.row.col.s32.s8.s8.s32", "+r"); }
#undef MMA

// roundTF32 keeps 10 bits of the fraction, to nearest, ties away from 0.
__device__ static inline u32 roundTF32(u32 v) {
	u32 r;
	asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(__builtin_bit_cast(float, v)));
	return r;
}

// copy16 begins to copy 16 aligned bytes to shared memory, or zeros where there
// are none; commit ends a group of copies, and arrived<n> waits for all but the
// last n groups of this thread.
__device__ static inline void copy16(void *to, const void *from, bool there) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAt(to)), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ static inline void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> __device__ static inline void arrived() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }

__device__ static inline void store16(void *to, const u32 *v) {
	asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(sharedAt(to)), "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3]) : "memory");
}
#endif
