// Running kernels on the host.
#pragma once
#include <cstdint>

namespace emulate {

struct Kernel {
	const char *name;
	int params;
	uint64_t pointers; // bit i: parameter i is an address
	bool barriers; // its threads meet, and so need stacks of their own
	void (*run)(const uint64_t *params);
};

const Kernel *find(const char *name); // null for an unknown name

// forget makes barriers or waits for copies do nothing: whoever checks kernels
// finds out whether the checks would see one that lacks them.
void forget(bool barriers, bool waits);

// list is all kernels.
const Kernel *list(int *n);

// launch runs a grid of blocks, one block after another, and says what was
// wrong, or null: a block whose threads do not all reach the same barriers. One
// launch runs at a time; the caller sees to it.
const char *launch(const Kernel *k, const unsigned grid[3], unsigned threads, const uint64_t *params);

} // namespace emulate
