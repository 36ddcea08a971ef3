// Scheduling the threads of a block: a warp runs to the next barrier before the
// next warp does, and its lanes meet wherever they do something together.
#include "fiber.h"
#define TEFF_HOST
#include "../cuda_min.h"

namespace emulate {

Fiber *current;
const char *fault;
bool noBarriers, noWaits;

namespace {

constexpr size_t stackSize = 64 << 10;

const Kernel *running;
const uint64_t *arguments;
std::vector<Fiber *> fibers;
jmp_buf scheduler;

void body() {
	for (;;) {
		running->run(arguments);
		yield(AT_END);
	}
}

void resume(unsigned t) {
	current = fibers[t];
	now.thread = (int)t;
	if (_setjmp(scheduler) == 0) _longjmp(current->at, 1);
}

// start enters a new fiber for the first time; it waits for resume.
void start(Fiber *f) {
	f->stack.reset(new char[stackSize]);
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack.get();
	f->context.uc_stack.ss_size = stackSize;
	f->context.uc_link = nullptr;
	makecontext(&f->context, [] {
		yield(AT_END);
		body();
	}, 0);
	current = f;
	static ucontext_t unused;
	if (_setjmp(scheduler) == 0) swapcontext(&unused, &f->context);
}

// warp runs the lanes from t on to the next barrier, upwards or downwards.
const char *warp(unsigned t, unsigned lanes, bool down, Stop *stop) {
	for (;;) {
		for (unsigned i = 0; i < lanes; i++) resume(t + (down ? lanes - 1 - i : i));
		*stop = fibers[t]->stop;
		for (unsigned i = 0; i < lanes; i++)
			if ((fibers[t + i]->stop == AT_WARP) != (*stop == AT_WARP))
				return "lanes of a warp are elsewhere while others do something together";
		if (*stop != AT_WARP) break;
	}
	for (unsigned i = 0; i < lanes; i++)
		if (fibers[t + i]->stop != *stop) return "some threads of a block ended while others wait at a barrier";
	return nullptr;
}

// meet runs a block's threads from barrier to barrier. They go upwards and
// downwards in turn, so that a forgotten barrier changes results.
const char *meet(unsigned threads) {
	const unsigned warps = (threads + WARP - 1) / WARP;
	for (unsigned t = 0; t < threads; t++) begin(fibers[t]);
	for (unsigned round = 0;; round++) {
		const bool down = round % 2;
		unsigned done = 0;
		for (unsigned i = 0; i < warps; i++) {
			const unsigned t = (down ? warps - 1 - i : i) * WARP, lanes = threads - t < WARP ? threads - t : (unsigned)WARP;
			Stop stop;
			if (const char *wrong = warp(t, lanes, down, &stop)) return wrong;
			done += stop == AT_END;
		}
		if (fault) return fault;
		if (done == warps) return nullptr;
		if (done > 0) return "some threads of a block ended while others wait at a barrier";
	}
}

} // namespace

void forget(bool barriers, bool waits) { noBarriers = barriers, noWaits = waits; }

void yield(Stop why) {
	current->stop = why;
	if (_setjmp(current->at) == 0) _longjmp(scheduler, 1);
}

void begin(Fiber *f) {
	f->parity = 0;
	f->group = 0;
	f->copies.clear();
}

const char *block(const Kernel *k, const uint64_t *params, unsigned threads) {
	running = k;
	arguments = params;
	while (fibers.size() < threads) {
		fibers.push_back(new Fiber);
		start(fibers.back());
	}
	const char *wrong = meet(threads);
	if (wrong) { // their threads are mid-way
		for (Fiber *f : fibers) delete f;
		fibers.clear();
	}
	return wrong;
}

} // namespace emulate
