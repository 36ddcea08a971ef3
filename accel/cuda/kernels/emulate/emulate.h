// The device's words on the host, one thread of a block at a time. Included by
// cuda_min.h in place of clang's builtins.
#pragma once

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(n)

namespace emulate {
struct Index {
	int thread, block[3];
};
extern Index now; // the running thread's place

void barrier(); // hands over to the block's next thread until all are here
} // namespace emulate

static inline int threadX() { return emulate::now.thread; }
static inline int blockX() { return emulate::now.block[0]; }
static inline int blockY() { return emulate::now.block[1]; }
static inline int blockZ() { return emulate::now.block[2]; }
static inline void barrier() { emulate::barrier(); }
