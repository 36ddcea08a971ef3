// What a warp does together, and copies that happen later. Sums of products are
// exact and rounded once; a device rounds otherwise on the way.
#include "fiber.h"
#define TEFF_HOST
#include "../cuda_min.h"

#include <cmath>
#include <cstring>

namespace emulate {

namespace {

struct Words {
	unsigned w[6];
};

// Box is what a warp's lanes give each other at a time.
struct Box {
	Words of[WARP];
	bool summed; // sums are these words' product
	double sums[16][8];
};

// Two sets of mailboxes in turn: a lane is at most one exchange ahead of another.
Box boxes[1024 / WARP][2];

// exchange gives a lane's words to its warp, and back all lanes'.
Box &exchange(const unsigned *w, int n) {
	static Box none;
	if (!current) {
		fault = "threads of a kernel that is said to have none meet in a warp";
		return none;
	}
	const int t = now.thread;
	Box &box = boxes[t / WARP][current->parity];
	current->parity ^= 1;
	memcpy(box.of[t % WARP].w, w, (size_t)n * 4);
	box.summed = false;
	yield(AT_WARP);
	return box;
}

int lane() { return now.thread % WARP; }

float added(float d, double sum) { return (float)(d + sum); }
int added(int d, double sum) { return (int)((unsigned)d + (unsigned)(int)sum); } // wraps

// multiply is a*b of a whole warp, for elements of `bits` bits, which number() reads.
template <int bits, class F> void multiply(Box &box, F number) {
	enum { PER = 32 / bits, DEEP = 8 * PER };
	typedef double Row __attribute__((vector_size(64))); // of 8
	double a[16][DEEP];
	Row b[DEEP];
	for (int from = 0; from < WARP; from++) { // lane 4g+i has words i and i+4 of rows g and g+8, and of column g
		const unsigned *w = box.of[from].w;
		const int g = from / 4, at = from % 4 * PER;
		for (int e = 0; e < PER; e++) {
			a[g][at + e] = number(w[0], e), a[g + 8][at + e] = number(w[1], e);
			a[g][at + e + DEEP / 2] = number(w[2], e), a[g + 8][at + e + DEEP / 2] = number(w[3], e);
			b[at + e][g] = number(w[4], e), b[at + e + DEEP / 2][g] = number(w[5], e);
		}
	}
	for (int row = 0; row < 16; row++) {
		Row sum = {};
		for (int k = 0; k < DEEP; k++) sum += a[row][k] * b[k];
		memcpy(box.sums[row], &sum, sizeof sum);
	}
	box.summed = true;
}

// product is d += a*b: whichever lane goes on first multiplies for all.
template <int bits, class D, class F> void product(D *d, const unsigned *a, const unsigned *b, F number) {
	unsigned w[6];
	memcpy(w, a, 16);
	memcpy(w + 4, b, 8);
	Box &box = exchange(w, 6);
	if (!box.summed) multiply<bits>(box, number);
	for (int r = 0; r < 4; r++) d[r] = added(d[r], box.sums[lane() / 4 + r / 2 * 8][lane() % 4 * 2 + r % 2]);
}

} // namespace

void ldmatrix(unsigned *r, const void *row) {
	const uintptr_t at = (uintptr_t)row;
	if (at % 16) fault = "ldmatrix of a row that is not aligned";
	const unsigned w[2] = {(unsigned)at, (unsigned)((uint64_t)at >> 32)};
	const Box &box = exchange(w, 2);
	for (int j = 0; j < 4; j++) {
		const Words &from = box.of[j * 8 + lane() / 4];
		memcpy(r + j, (const char *)((uint64_t)from.w[1] << 32 | from.w[0]) + lane() % 4 * 4, 4);
	}
}

void mmaHalf(float *d, const unsigned *a, const unsigned *b) {
	product<16>(d, a, b, [](unsigned w, int e) { return fromHalf((unsigned short)(w >> e * 16)); });
}

void mmaBfloat(float *d, const unsigned *a, const unsigned *b) {
	product<16>(d, a, b, [](unsigned w, int e) { return __builtin_bit_cast(float, w >> e * 16 << 16); });
}

// What lies below tf32's bits is not looked at.
void mmaTF32(float *d, const unsigned *a, const unsigned *b) {
	product<32>(d, a, b, [](unsigned w, int) { return __builtin_bit_cast(float, w & 0xffffe000u); });
}

void mmaInt8(int *d, const unsigned *a, const unsigned *b) {
	product<8>(d, a, b, [](unsigned w, int e) { return (int)(signed char)(w >> e * 8); });
}

void copyAsync(void *to, const void *from, bool there) {
	if (!current) {
		fault = "a copy to shared memory in a kernel that is said to have none";
		return;
	}
	if ((uintptr_t)to % 16 || (there && (uintptr_t)from % 16)) fault = "a copy of 16 bytes that are not aligned";
	memset(to, 0xff, 16); // whoever reads it before it is waited for finds no number
	current->copies.push_back({(char *)to, there ? (const char *)from : nullptr, current->group});
}

void commit() {
	if (current) current->group++;
}

void arrived(int groups) {
	if (!current || noWaits) return;
	auto &all = current->copies;
	size_t done = 0;
	for (; done < all.size() && all[done].group < current->group - groups; done++) {
		const Copy &c = all[done];
		if (c.from)
			memcpy(c.to, c.from, 16);
		else
			memset(c.to, 0, 16);
	}
	all.erase(all.begin(), all.begin() + (std::ptrdiff_t)done);
}

unsigned short toHalf(float v) {
	const unsigned b = __builtin_bit_cast(unsigned, v), sign = b >> 16 & 0x8000;
	const float m = std::fabs(v);
	if (m != m) return (unsigned short)0x7fff;
	if (m >= 65520.f) return (unsigned short)(sign | 0x7c00);
	// Adding a number whose last place is the half's rounds to it, ties to even.
	int e = 0;
	std::frexp(m, &e);
	const float unit = std::ldexp(1.f, (e < -13 ? -13 : e) - 11); // the half's last place
	const float whole = std::nearbyint(m / unit);
	const float r = whole * unit;
	if (r < 6.103515625e-05f) return (unsigned short)(sign | (unsigned)(r * 16777216.f));
	const unsigned rb = __builtin_bit_cast(unsigned, r);
	return (unsigned short)(sign | ((rb >> 13) - (112u << 10)));
}

// fromHalf moves the exponent by a product, which subnormal numbers come out of right.
float fromHalf(unsigned short bits) {
	const unsigned sign = (unsigned)(bits & 0x8000) << 16, rest = (unsigned)(bits & 0x7fff) << 13;
	const unsigned m = rest >= 0x7c00u << 13 ? rest | 0x7f800000u : __builtin_bit_cast(unsigned, __builtin_bit_cast(float, rest) * 0x1p112f);
	return __builtin_bit_cast(float, sign | m);
}

unsigned short toBfloat(float v) {
	const unsigned b = __builtin_bit_cast(unsigned, v);
	if (v != v) return (unsigned short)0x7fff;
	return (unsigned short)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

unsigned roundTF32(unsigned b) {
	if ((b & 0x7f800000u) == 0x7f800000u) return b;
	return (b + 0x1000) & 0xffffe000u;
}

} // namespace emulate
