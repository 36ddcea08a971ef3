// A driver that has no device: its "device memory" is the host's, and launches
// run the kernels that the host emulates. It is stricter than a device. Work is
// done only when something waits for it, new memory holds NaN, allocations have
// guard zones, and every address is looked up before it is used.
//
// The environment sets what it pretends:
//   TEFF_FAKE_DEVICES  0: no device (1)
//   TEFF_FAKE_MEMORY   bytes of device memory (1 GiB)
//   TEFF_FAKE_CAPABILITY  the compute capability, 80 is 8.0 (80)
//   TEFF_FAKE_PROCESSORS  multiprocessors (4)
//   TEFF_FAKE_LOST     n: the device is lost at the n-th kernel
//   TEFF_FAKE_LEAKS    1: names what is left when the context goes
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../../kernels/emulate/launch.h"

#define API extern "C" __attribute__((visibility("default"))) Result

// The driver's codes that the fake answers.
enum Result {
	OK = 0,
	INVALID_VALUE = 1,
	OUT_OF_MEMORY = 2,
	NOT_INITIALIZED = 3,
	NO_DEVICE = 100,
	INVALID_DEVICE = 101,
	INVALID_CONTEXT = 201,
	INVALID_PTX = 218,
	INVALID_HANDLE = 400,
	NOT_FOUND = 500,
	NOT_READY = 600,
	ILLEGAL_ADDRESS = 700,
	LAUNCH_FAILED = 719,
	CAPTURE_UNSUPPORTED = 900,
	CAPTURE_INVALIDATED = 901,
	CAPTURE_UNMATCHED = 903,
	CAPTURE_WRONG_THREAD = 908,
};

using Work = std::function<Result()>; // one copy or launch

struct Graph {
	std::vector<Work> work;
};

struct Stream {
	std::vector<Work> queue;
	std::unique_ptr<Graph> capture; // records, if not null
	int mode = 0;
	std::thread::id capturer;
	bool invalid = false; // the capture was broken by a forbidden call
};

struct Event {
	bool recorded = false;
	Stream *on = nullptr; // where it waits; null: it has passed
	size_t after = 0;     // work of the queue before it
	double ns = 0;        // when it passed
};

struct Context {
	int uses = 0;
};

// State is the whole driver; mutex guards it.
struct State {
	std::recursive_mutex mutex;
	bool initialized = false;
	Result lost = OK; // after a fault every call answers it
	Context primary;
	std::set<Context *> contexts;
	std::map<uintptr_t, size_t> device; // allocations, by address
	std::map<void *, size_t> host;      // pinned memory
	size_t used = 0;
	std::set<Stream *> streams;
	std::set<Event *> events;
	std::set<Graph *> graphs, execs;
	std::map<void *, std::set<std::string>> modules; // the kernels each names
	long launches = 0;
};

extern State state;

long setting(const char *name, long otherwise); // of the environment
void complain(const std::string &what);         // to standard error

// ready is what every call begins with: initialized, a context current to this
// thread, and the device not lost.
Result ready();
// quiet is ready for calls that a capture forbids; it breaks the capture.
Result quiet();

bool inside(uintptr_t at, size_t n); // n bytes at `at` lie in one allocation
const char *damaged();               // an allocation whose guards were written over

Result submit(Stream *s, Work w); // queues or records; the stream 0 does it at once
Result drain(Stream *s);          // does what is queued
Result drainAll();
void releaseStreams();
void releaseMemory();

#define LOCK std::lock_guard<std::recursive_mutex> lock(state.mutex)
#define READY                                                                                                  \
	LOCK;                                                                                                      \
	if (Result r = ready()) return r
#define QUIET                                                                                                  \
	LOCK;                                                                                                      \
	if (Result r = quiet()) return r
