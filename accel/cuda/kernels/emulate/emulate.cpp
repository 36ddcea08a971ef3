// The kernels as ordinary C++: shared memory is static, and the threads of a
// block are fibers that change at barriers.
#include "launch.h"

#include <csetjmp>
#include <cstring>
#include <memory>
#include <ucontext.h>
#include <type_traits>
#include <utility>
#include <vector>

#define TEFF_HOST
#include "../teff.cu"

namespace emulate {

Index now;

namespace {

template <class T> T param(uint64_t bits) {
	static_assert(sizeof(T) == 8, "every parameter has 8 bytes");
	T v;
	memcpy(&v, &bits, 8);
	return v;
}

template <class... A, size_t... I> void unpack(void (*f)(A...), const uint64_t *p, std::index_sequence<I...>) {
	f(param<A>(p[I])...);
}

template <class... A> constexpr int count(void (*)(A...)) { return sizeof...(A); }

template <class... A> constexpr uint64_t pointers(void (*)(A...)) {
	uint64_t mask = 0;
	int i = 0;
	((mask |= uint64_t(std::is_pointer_v<A>) << i++), ...);
	return mask;
}

template <auto f, class... A> void apply(void (*)(A...), const uint64_t *p) {
	unpack(f, p, std::index_sequence_for<A...>());
}

template <auto f> void call(const uint64_t *p) { apply<f>(f, p); }

#define ENTRY(f, barriers) {#f, count(f), pointers(f), barriers, call<f>}
const Kernel kernels[] = {
    ENTRY(conv_f32, true),    ENTRY(dwconv_f32, false), ENTRY(pool_f32, false), ENTRY(gavg_f32, true),
    ENTRY(softmax_f32, true), ENTRY(unary_f32, false),  ENTRY(binary_f32, false), ENTRY(affine_f32, false),
    ENTRY(copy_f32, false),   ENTRY(fill_f32, false),   ENTRY(resize_f32, false),
};

constexpr size_t stackSize = 64 << 10;

// A fiber is made once and then runs one thread after another. ucontext gives it
// its stack; changing by _setjmp leaves out the two system calls of swapcontext.
struct Fiber {
	ucontext_t context;
	jmp_buf at;
	std::unique_ptr<char[]> stack{new char[stackSize]};
	bool done;
};

const Kernel *running;
const uint64_t *arguments;
std::vector<Fiber *> fibers;
jmp_buf scheduler;
Fiber *current;
bool stray; // a barrier in a kernel that is said to have none

void yield() {
	if (_setjmp(current->at) == 0) _longjmp(scheduler, 1);
}

void body() {
	for (;;) {
		running->run(arguments);
		current->done = true;
		yield();
	}
}

void resume(unsigned t) {
	current = fibers[t];
	now.thread = (int)t;
	if (_setjmp(scheduler) == 0) _longjmp(current->at, 1);
}

// start enters a new fiber for the first time; it waits for resume.
void start(Fiber *f) {
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack.get();
	f->context.uc_stack.ss_size = stackSize;
	f->context.uc_link = nullptr;
	makecontext(&f->context, [] {
		yield();
		body();
	}, 0);
	current = f;
	static ucontext_t unused;
	if (_setjmp(scheduler) == 0) swapcontext(&unused, &f->context);
}

void grow(unsigned threads) {
	while (fibers.size() < threads) {
		fibers.push_back(new Fiber);
		start(fibers.back());
	}
}

// meet runs a block's threads from barrier to barrier. They go upwards and
// downwards in turn, so that a forgotten barrier changes results.
const char *meet(unsigned threads) {
	for (unsigned t = 0; t < threads; t++) fibers[t]->done = false;
	for (unsigned round = 0;; round++) {
		unsigned done = 0;
		for (unsigned i = 0; i < threads; i++) {
			unsigned t = round % 2 ? threads - 1 - i : i;
			resume(t);
			done += fibers[t]->done;
		}
		if (done == threads) return nullptr;
		if (done > 0) return "some threads of a block ended while others wait at a barrier";
	}
}

} // namespace

void barrier() {
#ifdef TEFF_NO_BARRIERS
	return; // for the test that checks notice
#endif
	if (current)
		yield();
	else
		stray = true;
}

const Kernel *find(const char *name) {
	for (const Kernel &k : kernels)
		if (!strcmp(k.name, name)) return &k;
	return nullptr;
}

const char *launch(const Kernel *k, const unsigned grid[3], unsigned threads, const uint64_t *params) {
	running = k;
	arguments = params;
	stray = false;
	if (k->barriers) grow(threads);
	for (unsigned z = 0; z < grid[2]; z++)
		for (unsigned y = 0; y < grid[1]; y++)
			for (unsigned x = 0; x < grid[0]; x++) {
				now.block[0] = (int)x;
				now.block[1] = (int)y;
				now.block[2] = (int)z;
				if (k->barriers) {
					if (const char *wrong = meet(threads)) {
						for (Fiber *f : fibers) delete f; // their threads are mid-way
						fibers.clear();
						return wrong;
					}
					continue;
				}
				current = nullptr;
				for (unsigned t = 0; t < threads; t++) {
					now.thread = (int)t;
					k->run(params);
				}
			}
	return stray ? "a barrier in a kernel that is said to have none" : nullptr;
}

} // namespace emulate
