// The device's words on the host, one thread of a block at a time. Included by
// cuda_min.h in place of clang's builtins.
#pragma once

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

namespace emulate {
struct Index {
	int thread, block[3];
};
extern Index now; // the running thread's place

void barrier(); // hands over to the block's next thread until all are here

// What a warp does together: the same order of words as on the device.
void ldmatrix(unsigned *r, const void *row);
void mmaHalf(float *d, const unsigned *a, const unsigned *b);
void mmaBfloat(float *d, const unsigned *a, const unsigned *b);
void mmaTF32(float *d, const unsigned *a, const unsigned *b);
void mmaInt8(int *d, const unsigned *a, const unsigned *b);

// Copies happen when they are waited for and not before.
void copyAsync(void *to, const void *from, bool there);
void commit();
void arrived(int groups);

// Numbers of other widths, rounded to nearest.
unsigned short toHalf(float v); // ties to even
float fromHalf(unsigned short bits);
unsigned short toBfloat(float v); // ties to even
unsigned roundTF32(unsigned bits); // ties away from 0
} // namespace emulate

static inline int threadX() { return emulate::now.thread; }
static inline int blockX() { return emulate::now.block[0]; }
static inline int blockY() { return emulate::now.block[1]; }
static inline int blockZ() { return emulate::now.block[2]; }
static inline void barrier() { emulate::barrier(); }
