// Gradients of norms, means of windows and PRelu, on float alone; part of train.cu's text.

// normgrad_f32 is the gradient of norm's x, from its result's, d: with t = d*scale and
// xhat the normalised x, (t - mean of t - xhat * mean of t*xhat) * inv over each set,
// whose mean and inv norm_f32 gives. scale is [groups,width], one a group where
// scaleOne, or none. Grid outer*groups.
KERNEL normgrad_f32(const float *x, const float *d, const float *mean, const float *inv, const float *scale, float *dx,
                    i64 outer, i64 pos, i64 groups, i64 width, i64 scaleOne) {
	__shared__ float part[256];
	const i64 set = blockX();
	if (set >= outer * groups) return;
	const i64 g = set % groups, n = pos * width, base = set / groups * pos * groups * width + g * width, next = groups * width;
	const float m = mean[set], s = inv[set];
	float sum = 0, cross = 0;
	for (i64 i = threadX(); i < n; i += 256) {
		const i64 at = base + i / width * next + i % width;
		const float t = d[at] * (scale ? scale[scaleOne ? g : g * width + i % width] : 1);
		sum += t;
		cross = fmadd(t, (x[at] - m) * s, cross);
	}
	sum = fold(part, sum, SUM) / (float)n;
	cross = fold(part, cross, SUM) / (float)n;
	for (i64 i = threadX(); i < n; i += 256) {
		const i64 at = base + i / width * next + i % width;
		const float t = d[at] * (scale ? scale[scaleOne ? g : g * width + i % width] : 1);
		dx[at] = (t - sum - (x[at] - m) * s * cross) * s;
	}
}

// normsums_f32 is the gradients of scale and bias [groups,width]. Grid ceil(groups*width/32).
KERNEL normsums_f32(const float *x, const float *d, const float *mean, const float *inv, float *dscale, float *dbias,
                    i64 outer, i64 pos, i64 groups, i64 width) {
	__shared__ float part[256];
	const i64 C = groups * width, c = (i64)blockX() * 32 + threadX() % 32, g = c / width;
	const i64 rows = c < C ? outer * pos : 0;
	const float sum = columns(part, rows, [&](i64 r) { return d[r * C + c]; });
	const float cross = columns(part, rows, [&](i64 r) {
		const i64 set = r / pos * groups + g;
		return d[r * C + c] * ((x[r * C + c] - mean[set]) * inv[set]);
	});
	if (c >= C || threadX() >= 32) return;
	dscale[c] = cross;
	dbias[c] = sum;
}

// avggrad_f32 is the gradient of pool's modes 1 and 2: each window shares its own among
// the cells that it is the mean of. Grid ceil(N*H*W*C/256).
KERNEL avggrad_f32(const float *d, float *dx, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 KH, i64 KW,
                   i64 SH, i64 SW, i64 DH, i64 DW, i64 PT, i64 PL, i64 PB, i64 PR, i64 mode) {
	const i64 e = element();
	if (e >= N * H * W * C) return;
	const i64 c = e % C, n = e / C / W / H;
	const int w = (int)(e / C % W), h = (int)(e / C / W % H);
	// How many of size cells from first on, every by, lie in the image or its padding.
	const auto cells = [&](int first, int size, int by, int image, int pad) {
		int count = 0;
		for (int i = 0; i < size; i++, first += by)
			if (mode == 1 ? first < image + pad : first >= 0 && first < image) count++;
		return count;
	};
	float sum = 0;
	for (int oh = 0; oh < OH; oh++) {
		const int h0 = oh * (int)SH - (int)PT;
		if (h < h0 || h > h0 + (int)(KH - 1) * (int)DH || (h - h0) % (int)DH) continue;
		const int tall = cells(h0, (int)KH, (int)DH, (int)H, (int)PB);
		for (int ow = 0; ow < OW; ow++) {
			const int w0 = ow * (int)SW - (int)PL;
			if (w < w0 || w > w0 + (int)(KW - 1) * (int)DW || (w - w0) % (int)DW) continue;
			sum += d[((n * OH + oh) * OW + ow) * C + c] / (float)(tall * cells(w0, (int)KW, (int)DW, (int)W, (int)PR));
		}
	}
	dx[e] = sum;
}

// prelugrad_f32 is the gradient dx of PRelu's x [n], whose slopes [C] go round, and
// what each number adds to its slope's, part. Either may be none. Grid ceil(n/256).
KERNEL prelugrad_f32(const float *x, const float *d, const float *slope, float *dx, float *part, i64 n, i64 C) {
	const i64 e = element();
	if (e >= n) return;
	const bool below = x[e] < 0;
	if (dx) dx[e] = below ? slope[e % C] * d[e] : d[e];
	if (part) part[e] = below ? x[e] * d[e] : 0;
}
