// matmul is y[b, i, j] = alpha * sum over k of x[b, i, k] * w[b, k, j] of matrices
// [M,K] and [K,N] with any strides: xm and xk, wk and wn. The batch has dims b0..b3,
// with strides p of x and q of w (0 repeats); y is dense. A matrix has fewer than
// 2^31 elements. A block makes 64 by 64, a
// thread 4 by 4. Grid (ceil(M/64), ceil(N/64), b0*b1*b2*b3).
KERNEL NAMED(matmul)(const ELEM *x, const ELEM *w, ELEM *y, i64 M, i64 N, i64 K, i64 xm, i64 xk, i64 wk, i64 wn,
                     i64 b0, i64 b1, i64 b2, i64 b3, i64 p0, i64 p1, i64 p2, i64 p3, i64 q0, i64 q1, i64 q2, i64 q3,
                     double alpha, i64 act, double lo, double hi) {
	alignas(16) __shared__ float xs[STEP * PITCH];
	alignas(16) __shared__ float ws[STEP * PITCH];
	const int t = threadX();
	const int b = blockZ(), m0 = blockX() * TILE, n0 = blockY() * TILE, rows = (int)M, cols = (int)N, deep = (int)K;
	const int xRow = (int)xm, xCol = (int)xk, wRow = (int)wk, wCol = (int)wn;
	const Place at = place(b, b0 * b1 * b2 * b3, 1, b0, b1, b2, b3);
	x += at.i2 * p0 + at.i3 * p1 + at.i4 * p2 + at.i5 * p3;
	w += at.i2 * q0 + at.i3 * q1 + at.i4 * q2 + at.i5 * q3;
	y += (i64)b * M * N;
	// A thread brings four elements of each matrix, neighbours in memory where there
	// are any: of one line, or of one k.
	const bool xLine = xCol == 1, wLine = wCol != 1;
	const int xl = xLine ? t / 4 : t % 16 * 4, xi = xLine ? t % 4 * 4 : t / 16;
	const int wl = wLine ? t / 4 : t % 16 * 4, wi = wLine ? t % 4 * 4 : t / 16;
	const int tx = t % 16 * 4, ty = t / 16 * 4;
	float sum[4][4] = {};
	for (int k0 = 0; k0 < deep; k0 += STEP) {
		f4 p = {}, q = {};
#pragma unroll
		for (int j = 0; j < 4; j++) {
			const int m = m0 + xl + (xLine ? 0 : j), k = k0 + xi + (xLine ? j : 0);
			if (m < rows && k < deep) p.v[j] = x[m * xRow + k * xCol];
			const int n = n0 + wl + (wLine ? 0 : j), l = k0 + wi + (wLine ? j : 0);
			if (n < cols && l < deep) q.v[j] = w[l * wRow + n * wCol];
		}
		barrier(); // the last step's sums are done with the tiles
#pragma unroll
		for (int j = 0; j < 4; j++) {
			xs[(xi + (xLine ? j : 0)) * PITCH + xl + (xLine ? 0 : j)] = p.v[j];
			ws[(wi + (wLine ? j : 0)) * PITCH + wl + (wLine ? 0 : j)] = q.v[j];
		}
		barrier();
#pragma unroll
		for (int i = 0; i < STEP; i++) {
			f4 u = shared4(xs + i * PITCH + ty), v = shared4(ws + i * PITCH + tx);
#pragma unroll
			for (int r = 0; r < 4; r++)
#pragma unroll
				for (int c = 0; c < 4; c++) sum[r][c] = fmadd(u.v[r], v.v[c], sum[r][c]);
		}
	}
#pragma unroll
	for (int r = 0; r < 4; r++)
#pragma unroll
		for (int c = 0; c < 4; c++) {
			const int m = m0 + ty + r, n = n0 + tx + c;
			if (m < rows && n < cols) y[m * cols + n] = clampAct((float)alpha * sum[r][c], act, (float)lo, (float)hi);
		}
}
