// Kernels on two-byte elements: the same numbers as the kernels on floats give,
// rounded once. Those are checked elsewhere.
#include "typed.h"
#include "check.h"

#include <string>

namespace {

// Two is a kernel's parameters for floats and for elements of two bytes.
struct Two {
	Params f, e;
	template <class T> Two &operator()(T v) { return f(v), e(v), *this; }
};

// Both is an array of the same numbers in both types.
template <class E> struct Both {
	Array f;
	ArrayOf<E> e;
	explicit Both(i64 n) : f((size_t)n), e((size_t)n) {
		for (size_t i = 0; i < f.n; i++) e[i] = E(number()), f[i] = e[i];
	}
	void into(Two &t) { t.f(f.data()), t.e(e.data()); }
};

template <class E> void compare(const std::string &kernel, i64 grid, i64 y2, i64 z, Two &p, Both<E> &y) {
	run((kernel + "_f32").c_str(), grid, y2, z, p.f);
	run((kernel + "_" + suffix<E>()).c_str(), grid, y2, z, p.e);
	REQUIRE(y.e.whole() && y.f.whole(), "%s wrote beside its result", kernel.c_str());
	int wrong = 0;
	for (size_t i = 0; i < y.f.n; i++) {
		const float want = E(y.f[i]), got = y.e[i];
		wrong += !(want == got || (want != want && got != got));
	}
	REQUIRE(wrong == 0, "%s_%s: %d of %zu outputs", kernel.c_str(), suffix<E>(), wrong, y.f.n);
}

template <class E> void windows() {
	for (int i = 0; i < 20; i++) {
		const i64 n = 2, h = 1 + pick(7), w = 1 + pick(7), c = 1 + pick(9), mult = 1 + pick(2), oh = (h + 1) / 2, ow = (w + 1) / 2, act = pick(2);
		Both<E> x(n * h * w * c), res(n * oh * ow * c * mult), y(n * oh * ow * c * mult), z(n * oh * ow * c);
		Array b((size_t)(c * mult)), k((size_t)(c * mult * 9));
		b.random(), k.random();
		Two p;
		x.into(p), p(k.data())(b.data()), res.into(p), y.into(p);
		for (i64 q : {n, h, w, c, oh, ow, c * mult, 3ll, 3ll, 2ll, 2ll, 1ll, 1ll, 1ll, 1ll, c, c * mult, act}) p(q);
		p(-0.5)(0.5);
		compare("dwconv", ceilDiv((i64)y.f.n, 256), 1, 1, p, y);
		Two r;
		x.into(r), z.into(r);
		for (i64 q : {n, h, w, c, oh, ow, 3ll, 3ll, 2ll, 2ll, 1ll, 1ll, 1ll, 1ll, 1ll, 1ll, (i64)(i % 3), c}) r(q);
		compare("pool", ceilDiv((i64)z.f.n, 256), 1, 1, r, z);
		Both<E> mean(n * c);
		Two m;
		x.into(m), mean.into(m), m(n)(h * w)(c);
		compare("gavg", ceilDiv(c, 32), n, 1, m, mean);
		Both<E> up(n * h * w * 4 * c);
		Two s;
		x.into(s), up.into(s), s(n)(h)(w)(c)(h * 2)(w * 2)((i64)(i % 2))(0.5)(0.5)(i % 2 ? -0.25 : 0.0)(i % 2 ? -0.25 : 0.0);
		compare("resize", ceilDiv((i64)up.f.n, 256), 1, 1, s, up);
		Both<E> back(n * (2 * h + 1) * (2 * w + 1) * 2), kt(c * 9 * 2);
		Two d;
		x.into(d), kt.into(d), d((const void *)nullptr), back.into(d);
		for (i64 q : {n, h, w, c, 2 * h + 1, 2 * w + 1, 2ll, 3ll, 3ll, 2ll, 2ll, 1ll, 1ll, 0ll, 0ll, 1ll, 0ll}) d(q);
		d(0.0)(0.0);
		compare("deconv", ceilDiv((i64)back.f.n, 256), 1, 1, d, back);
	}
}

template <class E> void rows() {
	for (int i = 0; i < 12; i++) {
		const i64 r = 1 + pick(4), c = 1 + pick(400);
		Both<E> x(r * c), y(r * c), scale(c), bias(c), z(r);
		Two p;
		x.into(p), y.into(p), p(r)(c)((i64)(i % 2));
		compare("softmax", r, 1, 1, p, y);
		Two q;
		x.into(q), scale.into(q), bias.into(q), y.into(q), q(r)(1ll)(1ll)(c)(0ll)(0ll)(0ll)(1e-3);
		compare("norm", r, 1, 1, q, y);
		Two s;
		x.into(s), z.into(s), s(r)(c)((i64)(i % 10))((i64)(i % 2));
		for (i64 v : {1ll, 1ll, 1ll, 1ll, 1ll, r, 0ll, 0ll, 0ll, 0ll, 0ll, c, 1ll, 1ll, 1ll, 1ll, 1ll, c, 0ll, 0ll, 0ll, 0ll, 0ll, 1ll}) s(v);
		compare("reduce", i % 2 ? r : ceilDiv(r, 256), 1, 1, s, z);
	}
}

template <class E> void elements() {
	for (i64 kind = 0; kind < 17; kind++) {
		const i64 n = 1000;
		Both<E> x(n), y(n);
		Two p;
		x.into(p), y.into(p), p(n)(kind)(0.375)(0.5);
		compare("unary", ceilDiv(n, 256), 1, 1, p, y);
	}
	for (i64 kind = 0; kind < 7; kind++) {
		const i64 r = 30, c = 17;
		Both<E> a(r * c), b(c), y(r * c), m(31 * 9), w(9 * 70), z(31 * 70);
		Two p;
		a.into(p), b.into(p), y.into(p), p(r * c)(kind);
		for (i64 v : {1ll, 1ll, 1ll, 1ll, r, c, 0ll, 0ll, 0ll, 0ll, c, 1ll, 0ll, 0ll, 0ll, 0ll, 0ll, 1ll, 0ll}) p(v);
		p(0.0)(0.0);
		compare("binary", ceilDiv(r * c, 256), 1, 1, p, y);
		Array s((size_t)c), t((size_t)c);
		s.random(), t.random();
		Two q;
		a.into(q), q(s.data())(t.data()), y.into(q), q(r * c)(c)(1ll)(-0.5)(0.5);
		compare("affine", ceilDiv(r * c, 256), 1, 1, q, y);
		Two u;
		a.into(u), y.into(u), u(r * c);
		for (i64 v : {1ll, 1ll, 1ll, 1ll, c, r, 0ll, 0ll, 0ll, 0ll, 1ll, c, 0ll, 0ll, 0ll, 0ll, 0ll, r, 1ll, 0ll}) u(v);
		compare("copy", ceilDiv(r * c, 256), 1, 1, u, y);
		Two v;
		y.into(v), v(r * c)(0.1);
		compare("fill", ceilDiv(r * c, 256), 1, 1, v, y);
		Two g;
		m.into(g), w.into(g), z.into(g);
		for (i64 e : {31ll, 70ll, 9ll, 9ll, 1ll, 70ll, 1ll, 1ll, 1ll, 1ll, 1ll, 0ll, 0ll, 0ll, 0ll, 0ll, 0ll, 0ll, 0ll}) g(e);
		g(1.5)(0ll)(0.0)(0.0);
		compare("matmul", 1, 2, 1, g, z);
	}
}

// stores: results of the kernels on floats may be of two bytes.
template <class E> void stores() {
	const i64 flag = sizeof(E) == 2 && !strcmp(suffix<E>(), "f16") ? 2 : 4;
	for (int i = 0; i < 20; i++) {
		const bool deep = i % 2;
		const i64 n = 1 + pick(2), h = 1 + pick(7), w = 1 + pick(7), c = 1 + pick(9), oc = deep ? c : 1 + pick(70), act = pick(2), pitch = oc + pick(3);
		const i64 cg = deep ? 1 : c;
		Array x((size_t)(n * h * w * c)), k((size_t)(oc * cg * 9)), b((size_t)oc), y((size_t)(n * h * w * pitch));
		ArrayOf<E> z(y.n);
		x.random(), k.random(), b.random();
		if (i == 0) b[0] = NAN;
		const i64 steps = ceilDiv(9 * c, 16), cut = deep ? 0 : stretch(steps, 1), parts = cut ? ceilDiv(steps, cut) : 1;
		Array part((size_t)(cut ? parts * n * h * w * oc : 1));
		for (int two = 0; two < 2; two++) {
			const void *to = two ? (const void *)z.data() : y.data();
			const i64 how = act | (two ? flag : 0);
			Params p;
			p(x.data())(k.data())(b.data())((const void *)nullptr)(cut ? part.data() : to);
			for (i64 q : {n, h, w, c, h, w, oc, 3ll, 3ll, 1ll, 1ll, 1ll, 1ll, 1ll, 1ll, deep ? c : 1ll, pitch, how}) p(q);
			p(-0.5)(0.5);
			if (deep)
				run("dwconv_f32", ceilDiv(n * h * w * oc, 256), 1, 1, p);
			else
				run("conv_f32", ceilDiv(n * h * w, 64), ceilDiv(oc, 64), parts, p(cut));
			if (cut) join("f32", part, b.data(), nullptr, to, n * h * w, oc, pitch, how, -0.5, 0.5);
		}
		REQUIRE(y.whole() && z.whole(), "a convolution's narrow result: wrote beside it");
		int wrong = 0;
		for (size_t e = 0; e < y.n; e++) {
			const float want = E(y[e]), got = z[e];
			wrong += !(want == got || (want != want && got != got));
		}
		REQUIRE(wrong == 0, "%s to %s: %d of %zu outputs", deep ? "dwconv_f32" : "conv_f32", suffix<E>(), wrong, y.n);
	}
}

// casts rounds numbers of every size, and those between two that can be had.
template <class E> void casts(int fraction, double least) {
	const i64 n = 1 << 14;
	Array x((size_t)n), back((size_t)n);
	ArrayOf<E> y((size_t)n);
	for (size_t i = 0; i < x.n; i++) {
		x[i] = std::ldexp(number(), (int)pick(36) - 26);
		if (i % 3 == 0) x[i] = std::ldexp((float)(2 * pick(1u << fraction) + 1), -fraction - 2 + (int)pick(8)); // ties
	}
	const float special[] = {0.f, -0.f, INFINITY, -INFINITY, NAN};
	for (size_t i = 0; i < 5; i++) x[i] = special[i];
	run((std::string("narrow_") + suffix<E>()).c_str(), ceilDiv(n, 256), 1, 1, Params()(x.data())(y.data())(n));
	run((std::string("widen_") + suffix<E>()).c_str(), ceilDiv(n, 256), 1, 1, Params()(y.data())(back.data())(n));
	REQUIRE(x.whole() && y.whole() && back.whole(), "a cast wrote beside an array");
	int wrong = 0;
	for (size_t i = 0; i < x.n; i++) {
		const double v = x[i], got = back[i];
		int e = 0;
		std::frexp(v, &e);
		const double unit = std::fmax(std::ldexp(1, e - 1 - fraction), least);
		double want = std::nearbyint(v / unit) * unit; // ties to even
		wrong += !(want == got || (v != v && got != got) || (std::isinf(v) && v == got));
	}
	REQUIRE(wrong == 0, "casts to %s: %d", suffix<E>(), wrong);
}

template <class E> void all() {
	windows<E>();
	rows<E>();
	elements<E>();
	stores<E>();
}

} // namespace

void checkTyped() {
	all<half>();
	all<bfloat>();
	casts<half>(10, std::ldexp(1, -24));
	casts<bfloat>(7, std::ldexp(1, -133));
}
