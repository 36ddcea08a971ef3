// softmax is exp(x-max)/sum along each row of x [rows,cols], or with log its
// logarithm. Grid rows.
KERNEL NAMED(softmax)(const ELEM *x, ELEM *y, i64 rows, i64 cols, i64 log) {
	__shared__ float part[256];
	const i64 row = blockX();
	if (row >= rows) return;
	x += row * cols;
	y += row * cols;
	float top = -INF;
	for (i64 i = threadX(); i < cols; i += 256) {
		float v = x[i];
		if (v > top || v != v) top = v;
	}
	top = fold(part, top, LARGEST);
	float sum = 0;
	for (i64 i = threadX(); i < cols; i += 256) sum += expF(x[i] - top);
	sum = fold(part, sum, SUM);
	if (log) {
		float norm = logF(sum);
		for (i64 i = threadX(); i < cols; i += 256) y[i] = x[i] - top - norm;
		return;
	}
	for (i64 i = threadX(); i < cols; i += 256) y[i] = expF(x[i] - top) / sum;
}
