// narrow rounds n floats. Grid ceil(n/256).
KERNEL NAMED(narrow)(const float *x, ELEM *y, i64 n) {
	const i64 e = element();
	if (e < n) y[e] = x[e];
}

// widen is n elements as floats. Grid ceil(n/256).
KERNEL NAMED(widen)(const ELEM *x, float *y, i64 n) {
	const i64 e = element();
	if (e < n) y[e] = x[e];
}
