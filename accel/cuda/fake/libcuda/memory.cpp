// Memory and copies. An allocation has a guard zone on either side, a NaN in
// every word as it has itself at first: what reads there shows in the results,
// what writes there is found after the kernel.
#include "fake.h"

#include <cstdlib>
#include <cstring>

enum { GUARD = 1024 };
static const uint32_t GUARD_WORD = 0xffa5a5a5, FRESH_WORD = 0xffc0ffee;

static size_t rounded(size_t n) { return (n + 255) / 256 * 256; }

static void paint(char *at, size_t n, uint32_t word) {
	for (size_t i = 0; i < n; i++) at[i] = (char)(word >> i % 4 * 8);
}

static bool painted(const char *at, size_t n, size_t phase) {
	for (size_t i = 0; i < n; i++)
		if (at[i] != (char)(GUARD_WORD >> (i + phase) % 4 * 8)) return false;
	return true;
}

bool inside(uintptr_t at, size_t n) {
	auto i = state.device.upper_bound(at);
	if (i == state.device.begin()) return false;
	--i;
	size_t from = at - i->first;
	return from < i->second && n <= i->second - from;
}

static bool whole(uintptr_t at, size_t n) {
	const char *p = (const char *)at;
	return painted(p - GUARD, GUARD, 0) && painted(p + n, rounded(n) - n + GUARD, n % 4);
}

const char *damaged() {
	static std::string what;
	for (auto &a : state.device)
		if (!whole(a.first, a.second)) {
			what = "memory beside an allocation of " + std::to_string(a.second) + " bytes was written";
			return what.c_str();
		}
	return nullptr;
}

void releaseMemory() {
	if (setting("TEFF_FAKE_LEAKS", 0) && state.device.size() + state.host.size())
		complain(std::to_string(state.device.size()) + " allocations on the device and " +
		         std::to_string(state.host.size()) + " of pinned memory are left");
	for (auto &a : state.device) free((char *)a.first - GUARD);
	for (auto &a : state.host) free(a.first);
	state.device.clear();
	state.host.clear();
	state.used = 0;
}

API cuMemAlloc_v2(uintptr_t *to, size_t n) {
	QUIET;
	if (!to || n == 0) return INVALID_VALUE;
	size_t total = (size_t)setting("TEFF_FAKE_MEMORY", 1 << 30);
	if (n > total || rounded(n) > total - state.used) return OUT_OF_MEMORY;
	char *p = (char *)aligned_alloc(256, rounded(n) + 2 * GUARD);
	if (!p) return OUT_OF_MEMORY;
	state.used += rounded(n);
	paint(p, rounded(n) + 2 * GUARD, GUARD_WORD);
	*to = (uintptr_t)(p + GUARD);
	paint((char *)*to, n, FRESH_WORD);
	state.device[*to] = n;
	return OK;
}

API cuMemFree_v2(uintptr_t at) {
	QUIET;
	if (at == 0) return OK;
	auto i = state.device.find(at);
	if (i == state.device.end()) return INVALID_VALUE;
	if (Result r = drainAll()) return r;
	bool good = whole(at, i->second);
	state.used -= rounded(i->second);
	free((char *)at - GUARD);
	state.device.erase(i);
	if (good) return OK;
	complain("memory beside a freed allocation was written");
	return state.lost = ILLEGAL_ADDRESS;
}

API cuMemGetInfo_v2(size_t *left, size_t *total) {
	READY;
	if (!left || !total) return INVALID_VALUE;
	*total = (size_t)setting("TEFF_FAKE_MEMORY", 1 << 30);
	*left = *total - state.used;
	return OK;
}

API cuMemHostAlloc(void **to, size_t n, unsigned flags) {
	QUIET;
	if (!to || n == 0) return INVALID_VALUE;
	void *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096);
	if (!p) return OUT_OF_MEMORY;
	memset(p, 0xff, n);
	state.host[p] = n;
	*to = p;
	return OK;
}
API cuMemAllocHost_v2(void **to, size_t n) { return cuMemHostAlloc(to, n, 0); }

API cuMemFreeHost(void *p) {
	QUIET;
	if (!state.host.count(p)) return INVALID_VALUE;
	if (Result r = drainAll()) return r;
	state.host.erase(p);
	free(p);
	return OK;
}

// A copy is checked as it is asked for and again as it is done.
static Result copy(Stream *s, uintptr_t device, void *to, const void *from, size_t n) {
	if (n == 0) return OK;
	if (!to || !from || !inside(device, n)) return INVALID_VALUE;
	return submit(s, [=] {
		if (!inside(device, n)) return ILLEGAL_ADDRESS;
		memcpy(to, from, n);
		return OK;
	});
}

API cuMemcpyHtoDAsync_v2(uintptr_t to, const void *from, size_t n, Stream *s) {
	READY;
	return copy(s, to, (void *)to, from, n);
}

API cuMemcpyDtoHAsync_v2(void *to, uintptr_t from, size_t n, Stream *s) {
	READY;
	return copy(s, from, to, (const void *)from, n);
}

API cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t n, Stream *s) {
	READY;
	if (n && !inside(to, n)) return INVALID_VALUE;
	return copy(s, from, (void *)to, (const void *)from, n);
}

API cuMemcpyHtoD_v2(uintptr_t to, const void *from, size_t n) {
	QUIET;
	return copy(nullptr, to, (void *)to, from, n);
}

API cuMemcpyDtoH_v2(void *to, uintptr_t from, size_t n) {
	QUIET;
	return copy(nullptr, from, to, (const void *)from, n);
}

API cuMemsetD8Async(uintptr_t to, unsigned char v, size_t n, Stream *s) {
	READY;
	if (n == 0) return OK;
	if (!inside(to, n)) return INVALID_VALUE;
	return submit(s, [=] {
		if (!inside(to, n)) return ILLEGAL_ADDRESS;
		memset((void *)to, v, n);
		return OK;
	});
}

API cuMemsetD8_v2(uintptr_t to, unsigned char v, size_t n) {
	{ QUIET; }
	return cuMemsetD8Async(to, v, n, nullptr);
}
