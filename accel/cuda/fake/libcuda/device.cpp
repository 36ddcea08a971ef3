// Initialization, the device and its contexts.
#include "fake.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

State state;

static thread_local std::vector<Context *> current;

long setting(const char *name, long otherwise) {
	const char *v = getenv(name);
	return v && *v ? atol(v) : otherwise;
}

void complain(const std::string &what) { fprintf(stderr, "fake cuda: %s\n", what.c_str()); }

Result ready() {
	if (!state.initialized) return NOT_INITIALIZED;
	if (current.empty() || !current.back() || !state.contexts.count(current.back())) return INVALID_CONTEXT;
	return state.lost;
}

Result quiet() {
	if (Result r = ready()) return r;
	for (Stream *s : state.streams) {
		// Modes: 0 forbids it to all threads, 1 to the capturing one, 2 to none.
		if (!s->capture || s->mode == 2 || (s->mode == 1 && s->capturer != std::this_thread::get_id())) continue;
		s->invalid = true;
		return CAPTURE_UNSUPPORTED;
	}
	return OK;
}

API cuInit(unsigned flags) {
	LOCK;
	if (flags) return INVALID_VALUE;
	if (setting("TEFF_FAKE_DEVICES", 1) < 1) return NO_DEVICE;
	state.initialized = true;
	return OK;
}

API cuDriverGetVersion(int *v) {
	if (!v) return INVALID_VALUE;
	*v = 12000;
	return OK;
}

static Result device(int d) {
	if (!state.initialized) return NOT_INITIALIZED;
	return d == 0 ? OK : INVALID_DEVICE;
}

API cuDeviceGetCount(int *n) {
	LOCK;
	if (!state.initialized) return NOT_INITIALIZED;
	if (!n) return INVALID_VALUE;
	*n = 1;
	return OK;
}

API cuDeviceGet(int *d, int ordinal) {
	LOCK;
	if (Result r = device(ordinal)) return r;
	if (!d) return INVALID_VALUE;
	*d = 0;
	return OK;
}

API cuDeviceGetName(char *name, int n, int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (!name || n < 1) return INVALID_VALUE;
	snprintf(name, (size_t)n, "Teff fake device");
	return OK;
}

API cuDeviceComputeCapability(int *major, int *minor, int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (!major || !minor) return INVALID_VALUE;
	*major = (int)setting("TEFF_FAKE_CAPABILITY", 80) / 10;
	*minor = (int)setting("TEFF_FAKE_CAPABILITY", 80) % 10;
	return OK;
}

API cuDeviceGetAttribute(int *v, int attribute, int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (!v) return INVALID_VALUE;
	switch (attribute) {
	case 1: case 2: case 3: *v = 1024; break;       // threads of a block: all, x, y
	case 4: *v = 64; break;                         // z
	case 5: *v = 0x7fffffff; break;                 // blocks of a grid: x
	case 6: case 7: *v = 65535; break;              // y, z
	case 8: *v = 48 << 10; break;                   // shared memory of a block
	case 10: *v = 32; break;                        // warp
	case 12: *v = 65536; break;                     // registers of a block
	case 13: case 36: *v = 1000000; break;          // clocks, kHz
	case 16: *v = (int)setting("TEFF_FAKE_PROCESSORS", 4); break; // multiprocessors
	case 37: *v = 64; break;                        // memory bus, bits
	case 39: *v = 1024; break;                      // threads of a multiprocessor
	case 41: *v = 1; break;                         // one address space with the host
	case 75: *v = (int)setting("TEFF_FAKE_CAPABILITY", 80) / 10; break;
	case 76: *v = (int)setting("TEFF_FAKE_CAPABILITY", 80) % 10; break;
	default: *v = 0;
	}
	return attribute < 1 ? INVALID_VALUE : OK;
}

API cuDeviceTotalMem_v2(size_t *n, int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (!n) return INVALID_VALUE;
	*n = (size_t)setting("TEFF_FAKE_MEMORY", 1 << 30);
	return OK;
}

static void destroy(Context *c) {
	state.contexts.erase(c);
	if (state.contexts.empty()) {
		releaseStreams();
		releaseMemory();
		state.modules.clear();
		state.lost = OK;
	}
}

API cuDevicePrimaryCtxRetain(Context **c, int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (!c) return INVALID_VALUE;
	state.primary.uses++;
	state.contexts.insert(&state.primary);
	*c = &state.primary;
	return OK;
}

API cuDevicePrimaryCtxRelease_v2(int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (state.primary.uses < 1) return INVALID_CONTEXT;
	if (--state.primary.uses == 0) destroy(&state.primary);
	return OK;
}
API cuDevicePrimaryCtxRelease(int d) { return cuDevicePrimaryCtxRelease_v2(d); }

API cuCtxCreate_v2(Context **c, unsigned flags, int d) {
	LOCK;
	if (Result r = device(d)) return r;
	if (!c) return INVALID_VALUE;
	*c = new Context;
	state.contexts.insert(*c);
	current.push_back(*c);
	return OK;
}

API cuCtxDestroy_v2(Context *c) {
	LOCK;
	if (!state.contexts.count(c) || c == &state.primary) return INVALID_CONTEXT;
	if (!current.empty() && current.back() == c) current.pop_back();
	destroy(c);
	delete c;
	return OK;
}

API cuCtxSetCurrent(Context *c) {
	LOCK;
	if (!state.initialized) return NOT_INITIALIZED;
	if (c && !state.contexts.count(c)) return INVALID_CONTEXT;
	if (!current.empty()) current.pop_back();
	if (c) current.push_back(c);
	return OK;
}

API cuCtxGetCurrent(Context **c) {
	LOCK;
	if (!state.initialized) return NOT_INITIALIZED;
	if (!c) return INVALID_VALUE;
	*c = current.empty() ? nullptr : current.back();
	return OK;
}

API cuCtxPushCurrent_v2(Context *c) {
	LOCK;
	if (!state.contexts.count(c)) return INVALID_CONTEXT;
	current.push_back(c);
	return OK;
}

API cuCtxPopCurrent_v2(Context **c) {
	LOCK;
	if (current.empty()) return INVALID_CONTEXT;
	if (c) *c = current.back();
	current.pop_back();
	return OK;
}

API cuCtxGetDevice(int *d) {
	READY;
	if (!d) return INVALID_VALUE;
	*d = 0;
	return OK;
}

API cuCtxSynchronize() {
	QUIET;
	return drainAll();
}
