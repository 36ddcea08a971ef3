// deconv is the transpose of a convolution: a thread makes one output, the sum
// over the taps that reach it. x [N,H,W,C], w [C,KH,KW,OC/G], bias [OC] or none,
// y [N,OH,OW,OC]. Grid ceil(N*OH*OW*OC/256).
KERNEL NAMED(deconv)(const ELEM *x, const ELEM *w, const float *bias, ELEM *y,
                     i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,
                     i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 act, double lo, double hi) {
	const i64 e = element();
	if (e >= N * OH * OW * OC) return;
	const i64 m = e / OC, n = m / (OH * OW);
	const int oc = (int)(e - m * OC), at = (int)(m - n * (OH * OW));
	const int oh = at / (int)OW + (int)PT, ow = at % (int)OW + (int)PL;
	const int cg = (int)(C / G), ocg = (int)(OC / G), g = oc / ocg;
	float sum = 0;
	for (int kh = 0; kh < KH; kh++) {
		int ih = oh - kh * (int)DH;
		if (ih < 0 || ih % (int)SH) continue;
		ih /= (int)SH;
		if (ih >= H) continue;
		for (int kw = 0; kw < KW; kw++) {
			int iw = ow - kw * (int)DW;
			if (iw < 0 || iw % (int)SW) continue;
			iw /= (int)SW;
			if (iw >= W) continue;
			const ELEM *p = x + ((n * H + ih) * W + iw) * C + g * cg;
			const ELEM *q = w + ((i64)g * cg * KH * KW + kh * KW + kw) * ocg + (oc - g * ocg);
			const int next = (int)KH * (int)KW * ocg;
#pragma unroll 1
			for (int c = 0; c < cg; c++, q += next) sum = fmadd(p[c], *q, sum);
		}
	}
	if (bias) sum += bias[oc];
	y[e] = clampAct(sum, act, (float)lo, (float)hi);
}
