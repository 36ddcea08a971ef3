// Functions of one number, written out: without libdevice there are none on
// the device, and so host and device compute the same bits. Errors are relative,
// measured over the whole range by the kernels' test.
#pragma once
#include "cuda_min.h"

#define INF __builtin_inff()

__device__ static inline float fromBits(u32 b) { return __builtin_bit_cast(float, b); }
__device__ static inline u32 toBits(float v) { return __builtin_bit_cast(u32, v); }
__device__ static inline float fmadd(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
__device__ static inline float magnitude(float v) { return fromBits(toBits(v) & 0x7fffffff); }
__device__ static inline float withSign(float v, float sign) {
	return fromBits((toBits(v) & 0x7fffffff) | (toBits(sign) & 0x80000000));
}

__device__ static inline float sqrtF(float x) {
#ifdef TEFF_HOST
	return __builtin_sqrtf(x);
#else
	return __nvvm_sqrt_rn_f(x);
#endif
}

__device__ static inline double squareRoot(double x) {
#ifdef TEFF_HOST
	return __builtin_sqrt(x);
#else
	return __nvvm_sqrt_rn_d(x);
#endif
}

// expF: x = n*ln 2 + r with |r| <= ln(2)/2, Taylor's series for r, and 2^n in
// two factors so that subnormal results come out right.
__device__ static inline float expF(float x) {
	if (x > 88.7228394f) return INF;
	if (x < -104.f) return 0;
	float n = fmadd(x, 1.44269504f, 12582912.f) - 12582912.f; // rounds to an integer
	float r = fmadd(n, -0.693145752f, x);
	r = fmadd(n, -1.42860682e-6f, r);
	float p = 1.98412698e-4f;
	p = fmadd(p, r, 1.38888889e-3f);
	p = fmadd(p, r, 8.33333333e-3f);
	p = fmadd(p, r, 4.16666667e-2f);
	p = fmadd(p, r, 1.66666667e-1f);
	p = fmadd(p, r, 0.5f);
	p = fmadd(p, r, 1.f);
	p = fmadd(p, r, 1.f);
	if (x != x) return x; // the integer below is undefined for NaN
	int k = (int)n, half = k >> 1;
	return p * fromBits((u32)(half + 127) << 23) * fromBits((u32)(k - half + 127) << 23);
}

// expm1F is exp(x)-1 without cancellation near 0.
__device__ static inline float expm1F(float x) {
	if (magnitude(x) > 0.4f) return expF(x) - 1;
	float p = 2.48015873e-5f;
	p = fmadd(p, x, 1.98412698e-4f);
	p = fmadd(p, x, 1.38888889e-3f);
	p = fmadd(p, x, 8.33333333e-3f);
	p = fmadd(p, x, 4.16666667e-2f);
	p = fmadd(p, x, 1.66666667e-1f);
	p = fmadd(p, x, 0.5f);
	return fmadd(p * x, x, x);
}

// logF: x = m*2^e with m in [sqrt(1/2), sqrt 2), and the series of
// 2*atanh(f/(2+f)), f = m-1, arranged so that f enters unrounded.
__device__ static inline float logF(float x) {
	if (x == 0) return -INF;
	if (!(x > 0) || x == INF) return x == INF || x != x ? x : fromBits(0x7fc00000);
	int e = 0;
	if (x < 1.17549435e-38f) {
		x *= 16777216.f;
		e = -24;
	}
	int b = (int)toBits(x) - 0x3f3504f3;
	e += b >> 23;
	float f = fromBits((u32)(b & 0x7fffff) + 0x3f3504f3) - 1;
	float s = f / (2 + f), z = s * s, half = 0.5f * f * f;
	float r = 0.181818182f;
	r = fmadd(r, z, 0.222222222f);
	r = fmadd(r, z, 0.285714286f);
	r = fmadd(r, z, 0.4f);
	r = fmadd(r, z, 0.666666667f) * z;
	float lo = fmadd((float)e, 1.42860682e-6f, s * (half + r));
	return fmadd((float)e, 0.693145752f, f - (half - lo));
}

// log1pExp is log(1+exp(x)), the softplus.
__device__ static inline float log1pExp(float x) {
	float u = expF(-magnitude(x)), w = 1 + u;
	// What 1+u lost in rounding comes back to first order.
	float l = logF(w) + (u - (w - 1)) / w;
	return x != x ? x : (x > 0 ? x : 0) + l;
}

// tanhF: Lambert's continued fraction near 0, else by exp.
__device__ static inline float tanhF(float x) {
	float a = magnitude(x);
	if (a < 0.625f) {
		float q = x * x;
		return x * (fmadd(q, q, fmadd(105.f, q, 945.f)) / fmadd(15.f * q, q, fmadd(420.f, q, 945.f)));
	}
	if (x != x) return x;
	return withSign(1 - 2 / (expF(2 * a) + 1), x);
}

// geluF is v times the normal distribution's Phi(v). Near 0 that is 1/2 and a
// series; beyond it 1-Phi(a) = exp(-a*a/2)*t*P(t), t = 1/(1+a/4), with P the Chebyshev
// interpolation of degree 9 on [0.7, 14.25] (error 6e-10), where floats end. What
// a*a/2 loses in rounding comes back to first order: exp would make it
// relative to the result.
__device__ static inline float geluF(float v) {
	float a = magnitude(v);
	if (a < 0.7f) {
		float q = v * v;
		float p = -4.12266741e-8f; // (-1)^k / (sqrt(2 pi) 2^k k! (2k+1)), k = 7...0
		p = fmadd(p, q, 6.65969352e-7f);
		p = fmadd(p, q, -9.44465626e-6f);
		p = fmadd(p, q, 1.15434688e-4f);
		p = fmadd(p, q, -1.18732822e-3f);
		p = fmadd(p, q, 9.97355701e-3f);
		p = fmadd(p, q, -6.64903801e-2f);
		p = fmadd(p, q, 3.98942280e-1f);
		return v * fmadd(v, p, 0.5f);
	}
	if (v != v) return v;
	if (a > 14.25f) return v < 0 ? -0.f : v;
	float at = a / fmadd(0.25f, a, 1.f); // a*t; the polynomial's variable is 3.16512915*t - 1.69372694
	float u = fmadd(-7.91282287e-1f, at, 1.47140221f);
	float p = 7.66759857e-7f;
	p = fmadd(p, u, 1.60141475e-6f);
	p = fmadd(p, u, -1.51361804e-5f);
	p = fmadd(p, u, -6.76021729e-5f);
	p = fmadd(p, u, 1.48754289e-4f);
	p = fmadd(p, u, 2.50162678e-3f);
	p = fmadd(p, u, 1.28570319e-2f);
	p = fmadd(p, u, 4.27483882e-2f);
	p = fmadd(p, u, 1.05071328e-1f);
	p = fmadd(p, u, 1.99990296e-1f);
	float half = 0.5f * a, h = a * half, l = fmadd(a, half, -h);
	float rest = fmadd(-l, p, p) * at * expF(-h); // a*(1-Phi(a))
	return v < 0 ? -rest : v - rest;
}

// powF goes through double: an error in log x grows with y.
__device__ static inline float powF(float x, float y) {
	if (y == 0 || x == 1) return 1;
	if (x != x || y != y) return x + y;
	float a = magnitude(x), ya = magnitude(y), sign = 1;
	bool whole = ya >= 8388608.f || (float)(int)ya == ya;
	bool odd = whole && ya < 16777216.f && ((int)ya & 1);
	if (odd) sign = withSign(1, x);
	if (a == 0 || a == INF) return (a == 0) == (y > 0) ? withSign(0, sign) : withSign(INF, sign);
	if (x < 0 && !whole && ya != INF) return fromBits(0x7fc00000);
	if (ya == INF) return a == 1 ? 1 : (a > 1) == (y > 0) ? INF : 0;
	u64 b = __builtin_bit_cast(u64, (double)a) - 0x3fe6a09e667f3bcdull;
	double e = (double)((i64)b >> 52);
	double f = __builtin_bit_cast(double, (b & 0xfffffffffffffull) + 0x3fe6a09e667f3bcdull) - 1;
	double s = f / (2 + f), z = s * s, r = 0;
	for (int k = 19; k >= 1; k -= 2) r = r * z + 2.0 / k;
	double v = (double)y * (e * 0.69314718055994530942 + s * r);
	if (v > 89) return withSign(INF, sign);
	if (v < -104) return withSign(0, sign);
	double n = (v * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0;
	double d = v - n * 0.69314718055994530942, p = 1;
	for (int k = 11; k >= 1; k--) p = p * d * (1.0 / k) + 1;
	p *= __builtin_bit_cast(double, (u64)((i64)n + 1023) << 52);
	return sign * (float)p;
}

// sigmoidF never divides by infinity: small results keep their bits.
__device__ static inline float sigmoidF(float v) {
	float e = expF(-magnitude(v));
	return v != v ? v : (v < 0 ? e : 1) / (1 + e);
}

// unit clamps to [0, 1].
__device__ static inline float unit(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

// cell is the last whole number not above v, within [0, size).
__device__ static inline i64 cell(double v, i64 size) {
	i64 i = (i64)v;
	if ((double)i > v) i--;
	return i < 0 ? 0 : i >= size ? size - 1 : i;
}
