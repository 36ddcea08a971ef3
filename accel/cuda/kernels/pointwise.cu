// unary is y = f(x) over n elements; the cases name f. Grid ceil(n/256).
KERNEL NAMED(unary)(const ELEM *x, ELEM *y, i64 n, i64 kind, double a64, double b64) {
	const i64 e = element();
	if (e >= n) return;
	const float a = (float)a64, b = (float)b64;
	float v = x[e];
	switch (kind) {
	case 0: break;
	case 1: v = clampAct(v, 1, a, b); break;
	case 2: v = v < 0 ? a * v : v; break; // leaky ReLU
	case 3: v = sigmoidF(v); break;
	case 4: v = tanhF(v); break;
	case 5: v = unit(fmadd(a, v, b)); break;                    // hard sigmoid
	case 6: v = v * unit((v + 3) * 0.166666667f); break;       // hard swish
	case 7: v = v * sigmoidF(v); break;                         // swish
	case 8: v = expF(v); break;
	case 9: v = logF(v); break;
	case 10: v = sqrtF(v); break;
	case 11: v = -v; break;
	case 12: v = magnitude(v); break;
	case 13: v = fmadd(a, v, b); break;
	case 14: v = geluF(v); break;
	case 15: v = log1pExp(v); break;                            // softplus
	case 16: v = v < 0 ? a * expm1F(v) : v; break;              // elu
	}
	y[e] = v;
}

// binary is y = f(x1, x2) over the n elements of dims d, with element
// strides s and t of the operands (0 repeats them) and dense y; the cases name f.
// Grid ceil(n/256).
KERNEL NAMED(binary)(const ELEM *x1, const ELEM *x2, ELEM *y, i64 n, i64 kind,
                  i64 d0, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5,
                  i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5,
                  i64 t0, i64 t1, i64 t2, i64 t3, i64 t4, i64 t5, i64 act, double lo, double hi) {
	const i64 e = element();
	if (e >= n) return;
	const Place p = place(e, n, d1, d2, d3, d4, d5);
	const float a = x1[p.at(s0, s1, s2, s3, s4, s5)], b = x2[p.at(t0, t1, t2, t3, t4, t5)];
	float v = 0;
	switch (kind) {
	case 0: v = a + b; break;
	case 1: v = a - b; break;
	case 2: v = a * b; break;
	case 3: v = a / b; break;
	case 4: v = a > b || a != a ? a : b; break;
	case 5: v = a < b || a != a ? a : b; break;
	case 6: v = powF(a, b); break;
	}
	y[e] = clampAct(v, act, (float)lo, (float)hi);
}

// affine is y = x*scale[c] + shift[c] over n elements with C channels
// innermost. Grid ceil(n/256).
KERNEL NAMED(affine)(const ELEM *x, const float *scale, const float *shift, ELEM *y, i64 n, i64 C,
                  i64 act, double lo, double hi) {
	const i64 e = element();
	if (e >= n) return;
	const i64 c = n <= 0xffffffff ? (u32)e % (u32)C : e % C;
	y[e] = clampAct(fmadd(x[e], scale[c], shift[c]), act, (float)lo, (float)hi);
}
