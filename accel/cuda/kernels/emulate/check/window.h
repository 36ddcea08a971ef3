// Windows of convolutions and pooling.
#pragma once
#include "check.h"

struct Window {
	i64 n, h, w, c, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, oh, ow;
	bool fits() {
		i64 eh = h + pt + pb - (kh - 1) * dh - 1, ew = w + pl + pr - (kw - 1) * dw - 1;
		oh = eh < 0 ? 0 : eh / sh + 1;
		ow = ew < 0 ? 0 : ew / sw + 1;
		return oh > 0 && ow > 0;
	}
};

inline Window draw(i64 c, unsigned largest) {
	Window v = {};
	do {
		v = {1 + pick(3), 1 + pick(largest), 1 + pick(largest), c, 1 + pick(4), 1 + pick(4), 1 + pick(3), 1 + pick(3),
		     1 + pick(3), 1 + pick(2), pick(3), pick(3), pick(3), pick(3), 0, 0};
	} while (!v.fits());
	return v;
}
