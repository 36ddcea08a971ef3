// reduce is a function of the m elements of dims e, strides t, for each of the n
// elements of dims d, strides s, to dense y: fn 0 mean, 1 sum, 2 max, 3 min,
// 4 product, 5 sum of magnitudes, 6 root of the sum of squares, 7 log of the sum,
// 8 log of the sum of exp, 9 sum of squares. wide: a block makes an output, else a
// thread. Grid n if wide, else ceil(n/256).
KERNEL NAMED(reduce)(const ELEM *x, ELEM *y, i64 n, i64 m, i64 fn, i64 wide,
                     i64 d0, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5,
                     i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5,
                     i64 e0, i64 e1, i64 e2, i64 e3, i64 e4, i64 e5,
                     i64 t0, i64 t1, i64 t2, i64 t3, i64 t4, i64 t5) {
	__shared__ float part[256];
	const i64 out = wide ? (i64)blockX() : element();
	if (out >= n) return;
	x += place(out, n, d1, d2, d3, d4, d5).at(s0, s1, s2, s3, s4, s5);
	const i64 first = wide ? threadX() : 0, step = wide ? 256 : 1;
	float top = -INF;
	if (fn == 8) {
		for (i64 i = first; i < m; i += step) {
			float v = x[place(i, m, e1, e2, e3, e4, e5).at(t0, t1, t2, t3, t4, t5)];
			if (v > top || v != v) top = v;
		}
		if (wide) top = fold(part, top, LARGEST);
	}
	float sum = fn == 2 ? -INF : fn == 3 ? INF : fn == 4 ? 1.f : 0.f;
	for (i64 i = first; i < m; i += step) {
		float v = x[place(i, m, e1, e2, e3, e4, e5).at(t0, t1, t2, t3, t4, t5)];
		switch (fn) {
		case 2: sum = v > sum || v != v ? v : sum; break;
		case 3: sum = v < sum || v != v ? v : sum; break;
		case 4: sum *= v; break;
		case 5: sum += magnitude(v); break;
		case 6:
		case 9: sum = fmadd(v, v, sum); break;
		case 8: sum += v == top ? 1 : expF(v - top); break; // Inf-Inf is no number
		default: sum += v;
		}
	}
	if (wide) sum = fold(part, sum, fn == 2 ? LARGEST : fn == 3 ? LEAST : fn == 4 ? PRODUCT : SUM);
	switch (fn) {
	case 0: sum /= (float)m; break;
	case 6: sum = sqrtF(sum); break;
	case 7: sum = logF(sum); break;
	case 8: sum = top == -INF ? top : top + logF(sum); break;
	}
	if (!wide || threadX() == 0) y[out] = sum;
}
