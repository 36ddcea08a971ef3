// dwconv is the convolution of groups of one channel (G = C): a thread makes
// one output. The parameters are conv_f32's; w is [OC,KH,KW,1],
// float whatever x is: nine of them make an output, too few for roundings to cancel.
// Grid ceil(N*OH*OW*OC/256).
KERNEL NAMED(dwconv)(const ELEM *x, const float *w, const float *bias, const ELEM *res, ELEM *y,
                  i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 OC, i64 KH, i64 KW, i64 SH, i64 SW,
                  i64 DH, i64 DW, i64 PT, i64 PL, i64 G, i64 yPitch, i64 act, double lo, double hi) {
	const i64 e = element();
	if (e >= N * OH * OW * OC) return;
	const i64 m = e / OC, n = m / (OH * OW);
	const int oc = (int)(e - m * OC), at = (int)(m - n * (OH * OW));
	const int ih0 = at / (int)OW * (int)SH - (int)PT, iw0 = at % (int)OW * (int)SW - (int)PL;
	const ELEM *image = x + n * H * W * C + oc / (int)(OC / G);
	const float *tap = w + (i64)oc * KH * KW;
	float sum = 0;
	for (int kh = 0; kh < KH; kh++) {
		int ih = ih0 + kh * (int)DH;
		if (ih < 0 || ih >= H) continue;
		for (int kw = 0; kw < KW; kw++) {
			int iw = iw0 + kw * (int)DW;
			if (iw < 0 || iw >= W) continue;
			sum = fmadd(image[((i64)ih * W + iw) * C], tap[kh * (int)KW + kw], sum);
		}
	}
	if (bias) sum += bias[oc];
	if (res) sum += res[e];
	put(y, m * yPitch + oc, act, clampAct(sum, act & CLAMP, (float)lo, (float)hi));
}
