// resize: output cell o lies at o*scale+off of the input x [N,H,W,C]. mode 0
// takes the cell that it falls into, 1 mixes the two nearest along each axis;
// coordinates are kept inside the image. y [N,OH,OW,C].
// Grid ceil(N*OH*OW*C/256).
KERNEL NAMED(resize)(const ELEM *x, ELEM *y, i64 N, i64 H, i64 W, i64 C, i64 OH, i64 OW, i64 mode,
                  double scaleH, double scaleW, double offH, double offW) {
	const i64 e = element();
	if (e >= N * OH * OW * C) return;
	const i64 m = e / C, c = e - m * C, n = m / (OH * OW);
	const int at = (int)(m - n * (OH * OW));
	const double h = at / (int)OW * scaleH + offH, w = at % (int)OW * scaleW + offW;
	const i64 ih = cell(h, H), iw = cell(w, W);
	const ELEM *image = x + n * H * W * C + c;
	const ELEM *p = image + (ih * W + iw) * C;
	if (mode == 0) {
		y[e] = *p;
		return;
	}
	// Beyond the first and the last cell both neighbours are that cell.
	const float fh = h < 0 ? 0 : (float)(h - (double)ih), fw = w < 0 ? 0 : (float)(w - (double)iw);
	const i64 down = ih + 1 < H ? W * C : 0, right = iw + 1 < W ? C : 0;
	const float bh = down ? fh : 0, bw = right ? fw : 0;
	const float top = fmadd(p[right], bw, p[0] * (1 - bw));
	const float low = fmadd(p[down + right], bw, p[down] * (1 - bw));
	y[e] = fmadd(low, bh, top * (1 - bh));
}
