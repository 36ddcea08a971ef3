// join adds up n sums of P stretches of a product's terms, part [P,n], in order, with
// bias [C] or none and res [n] or none, and stores them as the product would: y rows of
// C every yPitch, what act says. n is below 2^31. Grid ceil(n/256).
KERNEL NAMED(join)(const float *part, const float *bias, const ELEM *res, ELEM *y, i64 n, i64 C, i64 P, i64 yPitch, i64 act, double lo, double hi) {
	const i64 e = element();
	if (e >= n) return;
	const int row = (int)e / (int)C, oc = (int)e - row * (int)C;
	const bool two = sizeof(ELEM) == 2;
	float v = part[e];
#pragma unroll 4
	for (int p = 1; p < (int)P; p++) v += part[p * n + e];
	if (bias) v += bias[oc];
	if (res) v += two && act & FLOATPLUS ? ((const float *)res)[e] : (float)res[e];
	v = clampAct(v, act & CLAMP, (float)lo, (float)hi);
	if (two && act & FLOAT)
		((float *)y)[row * yPitch + oc] = v;
	else
		put(y, row * yPitch + oc, act, v);
}
