package kern

import "time"

// FMACeiling measures for about d what one core reaches on independent fp32 multiply-adds with its widest instructions
// that are switched on, in GFLOP/s (a multiply-add counts two): the yardstick of every product here.
func FMACeiling(d time.Duration) float64 {
	const n = 1 << 14
	best := 0.0
	for end := time.Now().Add(d); ; {
		start := time.Now()
		flops := fmaLoop(n)
		if s := time.Since(start).Seconds(); s > 0 {
			best = max(best, float64(flops)/s/1e9)
		}
		if time.Now().After(end) {
			return best
		}
	}
}

// fmaSink keeps the portable loop's result alive.
var fmaSink [8]float32

// fmaLoopGeneric is eight chains in plain Go and returns the operations done.
func fmaLoopGeneric(n int) int {
	c, x, y := fmaSink, fmaSink[0], fmaSink[1]
	a, b, d, e, f, g, h, i := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	for range n {
		a += x * y
		b += x * y
		d += x * y
		e += x * y
		f += x * y
		g += x * y
		h += x * y
		i += x * y
	}
	if a != a {
		fmaSink = [8]float32{a, b, d, e, f, g, h, i}
	}
	return 16 * n
}
