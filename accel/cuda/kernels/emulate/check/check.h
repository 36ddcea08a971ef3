// What the checks of the kernels share.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../launch.h"

typedef long long i64;

// Numbers, the same every time.
inline uint64_t seed = 1;
inline unsigned pick(unsigned n) { return (unsigned)((seed = seed * 6364136223846793005ull + 1442695040888963407ull) >> 33) % n; }
inline float number() { return (float)pick(2001) / 1000.f - 1; }

// Array is numbers between guard words, which a kernel must leave alone.
template <class E> class ArrayOf {
	static const int guard = 64;
	static constexpr float mark = -123456.75f;
	std::vector<E> all;
	size_t shift;

public:
	size_t n;
	explicit ArrayOf(size_t n, size_t shift = 0) : all(n + 2 * guard + shift, E(mark)), shift(shift), n(n) {}
	E *data() { return all.data() + guard + shift; }
	E &operator[](size_t i) { return data()[i]; }
	ArrayOf &random() {
		for (size_t i = 0; i < n; i++) data()[i] = E(number());
		return *this;
	}
	bool whole() const {
		for (size_t i = 0; i < all.size(); i++)
			if ((i < guard + shift || i >= guard + shift + n) && !untouched(all[i])) return false;
		return true;
	}
	static bool untouched(E v) { return (float)v == (float)E(mark); }
};
using Array = ArrayOf<float>;

// Params gathers a kernel's parameters, 8 bytes each.
struct Params {
	std::vector<uint64_t> bits;
	Params &operator()(const void *p) { return bits.push_back((uint64_t)(uintptr_t)p), *this; }
	Params &operator()(i64 v) { return bits.push_back((uint64_t)v), *this; }
	Params &operator()(double v) {
		uint64_t b;
		memcpy(&b, &v, 8);
		return bits.push_back(b), *this;
	}
};

extern int failures, checks, shown; // shown counts messages of a part of the checks

#define REQUIRE(ok, ...)                                                                                       \
	do {                                                                                                       \
		checks++;                                                                                              \
		if (!(ok) && ++failures && shown++ < 40) {                                                                    \
			printf("%s:%d: %s: ", __FILE__, __LINE__, #ok);                                                    \
			printf(__VA_ARGS__);                                                                               \
			printf("\n");                                                                                      \
		}                                                                                                      \
	} while (0)

inline void run(const char *name, i64 gx, i64 gy, i64 gz, const Params &p) {
	const emulate::Kernel *k = emulate::find(name);
	if (!k || (size_t)k->params != p.bits.size()) {
		REQUIRE(false, "%s takes no %zu parameters", name, p.bits.size());
		return;
	}
	const unsigned grid[3] = {(unsigned)gx, (unsigned)gy, (unsigned)gz};
	const char *wrong = emulate::launch(k, grid, 256, p.bits.data());
	REQUIRE(!wrong, "%s: %s", name, wrong);
}

inline i64 ceilDiv(i64 a, i64 b) { return (a + b - 1) / b; }

// stretch is a length to cut steps into, or 0 for all of them at once.
inline i64 stretch(i64 steps, i64 groups) { return groups == 1 && pick(3) == 0 ? 1 + pick((unsigned)steps) : 0; }

// join runs the kernel that adds up a product's parts, which lie in part.
inline void join(const char *type, Array &part, const void *bias, const void *res, const void *y, i64 rows, i64 oc, i64 pitch, i64 act, double lo, double hi) {
	REQUIRE(part.whole(), "a part of a product wrote beside its sums");
	const i64 n = rows * oc;
	run((std::string("join_") + type).c_str(), ceilDiv(n, 256), 1, 1,
	    Params()(part.data())(bias)(res)(y)(n)(oc)((i64)part.n / n)(pitch)(act)(lo)(hi));
}

inline float clampTo(float v, i64 act, float lo, float hi) { return act == 0 ? v : v < lo ? lo : v > hi ? hi : v; }

void checkWindows();
void checkRows();
void checkFunctions();
void checkPointwise();
void checkProducts();
void checkTyped();
void checkTensorCores();
void checkGradients();
void checkNormGradients();
