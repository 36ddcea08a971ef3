// norm: set (o, g) of x [outer,pos,groups,width] is the width elements of group g
// at all positions of o; a block takes one. what 0 is (x-mean)/sqrt(var+eps)*scale
// + bias, with scale and bias [groups,width] or none, or one a group where
// scaleOne or biasOne; what 1 is the mean, 2 is 1/sqrt(var+eps), one number a set.
// Grid outer*groups.
KERNEL NAMED(norm)(const ELEM *x, const ELEM *scale, const ELEM *bias, ELEM *y, i64 outer, i64 pos, i64 groups,
                   i64 width, i64 scaleOne, i64 biasOne, i64 what, double eps) {
	__shared__ float part[256];
	const i64 set = blockX();
	if (set >= outer * groups) return;
	const i64 g = set % groups, n = pos * width, base = set / groups * pos * groups * width + g * width, next = groups * width;
	float sum = 0;
	for (i64 i = threadX(); i < n; i += 256) sum += x[base + i / width * next + i % width];
	const float mean = fold(part, sum, SUM) / (float)n;
	sum = 0;
	for (i64 i = threadX(); i < n; i += 256) {
		float d = x[base + i / width * next + i % width] - mean;
		sum = fmadd(d, d, sum);
	}
	const float inv = 1 / sqrtF(fold(part, sum, SUM) / (float)n + (float)eps);
	if (what) {
		if (threadX() == 0) y[set] = what == 1 ? mean : inv;
		return;
	}
	for (i64 i = threadX(); i < n; i += 256) {
		const i64 at = base + i / width * next + i % width, c = g * width + i % width;
		float v = (x[at] - mean) * inv;
		if (scale) v *= scale[scaleOne ? g : c];
		if (bias) v += bias[biasOne ? g : c];
		y[at] = v;
	}
}
