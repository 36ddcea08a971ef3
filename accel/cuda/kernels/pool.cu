// pool: mode 0 is the maximum of a window's cells inside the image (NaN
// wins), 1 the mean over the cells inside the image or its padding, 2 over those
// inside the image. x [N,H,W,C], y rows of C elements every yPitch.
// Grid ceil(N*OH*OW*C/256).
KERNEL NAMED(pool)(const ELEM *x, ELEM *y, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 KH, i64 KW,
                i64 SH, i64 SW, i64 DH, i64 DW, i64 PT, i64 PL, i64 PB, i64 PR, i64 mode, i64 yPitch) {
	const i64 e = element();
	if (e >= N * OH * OW * C) return;
	const i64 m = e / C, c = e - m * C, n = m / (OH * OW);
	const int at = (int)(m - n * (OH * OW));
	const int ih0 = at / (int)OW * (int)SH - (int)PT, iw0 = at % (int)OW * (int)SW - (int)PL;
	const ELEM *image = x + n * H * W * C + c;
	float best = -INF, sum = 0;
	int count = 0;
	for (int kh = 0; kh < KH; kh++) {
		int ih = ih0 + kh * (int)DH;
		for (int kw = 0; kw < KW; kw++) {
			int iw = iw0 + kw * (int)DW;
			bool inside = ih >= 0 && ih < H && iw >= 0 && iw < W;
			// A window may reach past the padding, where the size is rounded up.
			if (inside || (mode == 1 && ih < H + PB && iw < W + PR)) count++;
			if (!inside) continue;
			float v = image[((i64)ih * W + iw) * C];
			sum += v;
			if (v > best || v != v) best = v;
		}
	}
	y[m * yPitch + c] = mode == 0 ? best : sum / (float)(count > 1 ? count : 1);
}

// gavg is the mean over HW of x [N,HW,C], to y [N,C]: a block takes 32
// channels of an image with eight threads each. Grid (ceil(C/32), N).
KERNEL NAMED(gavg)(const ELEM *x, ELEM *y, i64 N, i64 HW, i64 C) {
	__shared__ float part[256];
	const int t = threadX();
	const i64 c = (i64)blockX() * 32 + t % 32, n = blockY();
	float sum = 0;
	if (c < C && n < N)
		for (i64 p = t / 32; p < HW; p += 8) sum += x[(n * HW + p) * C + c];
	part[t] = sum;
	barrier();
	if (t < 32 && c < C && n < N) {
		for (int i = 1; i < 8; i++) sum += part[i * 32 + t];
		y[n * C + c] = sum / (float)HW;
	}
}
