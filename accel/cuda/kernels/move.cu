// copy moves the n elements of dims d from x+xoff, element strides s, to
// y+yoff, element strides t: transpose, slice, one part of a concatenation.
// Grid ceil(n/256).
KERNEL NAMED(copy)(const ELEM *x, ELEM *y, i64 n, i64 d0, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5,
                i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5, i64 xoff,
                i64 t0, i64 t1, i64 t2, i64 t3, i64 t4, i64 t5, i64 yoff) {
	const i64 e = element();
	if (e >= n) return;
	const Place p = place(e, n, d1, d2, d3, d4, d5);
	y[yoff + p.at(t0, t1, t2, t3, t4, t5)] = x[xoff + p.at(s0, s1, s2, s3, s4, s5)];
}

// fill sets n elements. Grid ceil(n/256).
KERNEL NAMED(fill)(ELEM *y, i64 n, double value) {
	const i64 e = element();
	if (e < n) y[e] = (float)value;
}
