// The threads of a block as fibers.
#pragma once
#include "launch.h"

#include <csetjmp>
#include <cstddef>
#include <memory>
#include <ucontext.h>
#include <vector>

namespace emulate {

enum { WARP = 32 };

// Where a fiber stopped.
enum Stop { AT_BARRIER, AT_WARP, AT_END };

// Copy is 16 bytes on their way to shared memory.
struct Copy {
	char *to;
	const char *from; // null: zeros
	int group;
};


// A fiber is made once and then runs one thread after another. ucontext gives it
// its stack; changing by _setjmp leaves out the two system calls of swapcontext.
struct Fiber {
	ucontext_t context;
	jmp_buf at;
	std::unique_ptr<char[]> stack;
	Stop stop;
	int parity; // of the warp's exchanges
	std::vector<Copy> copies; // not waited for, in order
	int group; // the open one
};

extern Fiber *current; // null in kernels whose threads never meet
extern bool noBarriers, noWaits; // what is forgotten
extern const char *fault; // what a thread did that no device allows

void yield(Stop why);

// block runs the threads of a block and says what was wrong, or null.
const char *block(const Kernel *k, const uint64_t *params, unsigned threads);

// begin makes a thread's own state as new.
void begin(Fiber *f);

} // namespace emulate
