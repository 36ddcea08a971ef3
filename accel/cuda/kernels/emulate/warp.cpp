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

// Two sets of mailboxes in turn: a lane is at most one exchange ahead of another.
Words boxes[1024 / WARP][2][WARP];

// exchange gives a lane's words to its warp, and back all lanes'.
const Words *exchange(const unsigned *w, int n) {
	static const Words none[WARP] = {};
	if (!current) {
		fault = "threads of a kernel that is said to have none meet in a warp";
		return none;
	}
	const int t = now.thread;
	Words *box = boxes[t / WARP][current->parity];
	current->parity ^= 1;
	memcpy(box[t % WARP].w, w, (size_t)n * 4);
	yield(AT_WARP);
	return box;
}

int lane() { return now.thread % WARP; }

float added(float d, double sum) { return (float)(d + sum); }
int added(int d, double sum) { return (int)((unsigned)d + (unsigned)(int)sum); } // wraps

// product is d += a*b for elements of `bits` bits, which number() reads.
template <int bits, class D, class F> void product(D *d, const unsigned *a, const unsigned *b, F number) {
	unsigned w[6];
	memcpy(w, a, 16);
	memcpy(w + 4, b, 8);
	const Words *all = exchange(w, 6);
	const int g = lane() / 4, i = lane() % 4, per = 32 / bits;
	for (int r = 0; r < 4; r++) {
		const int row = g + r / 2 * 8, col = i * 2 + r % 2;
		double sum = 0;
		for (int word = 0; word < 8; word++) {
			const unsigned u = all[row % 8 * 4 + word % 4].w[row / 8 + word / 4 * 2], v = all[col * 4 + word % 4].w[4 + word / 4];
			for (int e = 0; e < per; e++) sum += (double)number(u, e) * number(v, e);
		}
		d[r] = added(d[r], sum);
	}
}

} // namespace

void ldmatrix(unsigned *r, const void *row) {
	const uintptr_t at = (uintptr_t)row;
	if (at % 16) fault = "ldmatrix of a row that is not aligned";
	const unsigned w[2] = {(unsigned)at, (unsigned)((uint64_t)at >> 32)};
	const Words *all = exchange(w, 2);
	for (int j = 0; j < 4; j++) {
		const Words &from = all[j * 8 + lane() / 4];
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
	current->groups.back().push_back({(char *)to, there ? (const char *)from : nullptr});
}

void commit() {
	if (current) current->groups.emplace_back();
}

void arrived(int groups) {
	if (!current || noWaits) return;
	auto &all = current->groups;
	// The open group does not count.
	while ((int)all.size() - 1 > groups) {
		for (const Copy &c : all.front()) {
			if (c.from)
				memcpy(c.to, c.from, 16);
			else
				memset(c.to, 0, 16);
		}
		all.erase(all.begin());
	}
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

static float halfValue(unsigned h) {
	const unsigned sign = (unsigned)(h & 0x8000) << 16, e = h >> 10 & 31, f = h & 1023;
	if (e == 31) return __builtin_bit_cast(float, sign | 0x7f800000u | f << 13);
	const float m = e ? std::ldexp(1.f + (float)f / 1024, (int)e - 15) : std::ldexp((float)f, -24);
	return sign ? -m : m;
}

float fromHalf(unsigned short bits) {
	static float *const values = [] { // products read each many times
		float *v = new float[1 << 16];
		for (unsigned h = 0; h < 1 << 16; h++) v[h] = halfValue(h);
		return v;
	}();
	return values[bits];
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
