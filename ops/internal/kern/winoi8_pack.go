package kern

import "unsafe"

// WinogradI8Columns is what the sums of each output channel meet.
type WinogradI8Columns struct {
	bias  []int32 // 36 times, with the input's zero point taken off
	scale []float32
}

// Columns makes them for weights [OC][9][IC], int8 with zero points of 0. bias (OC, or nil) and scale (one, or OC) are the
// convolution's, zero is the input's zero point. It is nil where a sum may need more bits than there are or, scaled, may be
// beyond 32 bits: there the product must be direct.
func (w *WinogradI8) Columns(weights []byte, bias []int32, scale []float32, zero int32) *WinogradI8Columns {
	c := &WinogradI8Columns{bias: make([]int32, w.OC), scale: make([]float32, w.OC)}
	low, high := -int64(zero), 255-int64(zero) // of an input with its zero point taken off
	if w.Signed {
		low, high = low-128, high-128
	}
	for n := range w.OC {
		sum, size := sumsI8(weights[n*9*w.IC:][:9*w.IC], true)
		up, down := (sum+size)/2, (sum-size)/2 // sums of positive weights, and of negative ones
		var b int64
		if bias != nil {
			b = int64(bias[n])
		}
		least, most := b+up*low+down*high, b+up*high+down*low
		s := scale[min(n, len(scale)-1)]
		if least <= -1<<winoI8Bits || most >= 1<<winoI8Bits || !(s >= 0 && s < 1<<(30-winoI8Bits)) {
			return nil
		}
		c.bias[n] = 36 * int32(b-int64(zero)*(up+down))
		c.scale[n] = s
	}
	return c
}

// Pack transforms the weights of panel p, [32][9][IC], into dst, of PackedSize: [OC/32][36 planes][IC/2][32][2] or, as the
// form's panels are, with 16 in place of 32. Plane 6j+i
// holds element (i, j). Panels may be packed at the same time.
func (w *WinogradI8) Pack(dst []int16, weights []byte, p int) {
	size := w.IC * w.panel
	dst = dst[p*winoI8Planes*size:][:winoI8Planes*size]
	if w.isa != isaGeneric {
		_ = weights[w.panel*9*w.IC-1]
		for n := range w.panel {
			w.isa.winoI8(winoI8Weights, &winoTileI8{base: &weights[n*9*w.IC], planes: unsafe.Pointer(&dst[2*n]), stride: 2 * size, channels: w.IC})
		}
		return
	}
	w.packGeneric(dst, weights)
}

// packGeneric is the definition for a panel.
func (w *WinogradI8) packGeneric(dst []int16, weights []byte) {
	panel := w.panel
	size := w.IC * panel
	for n := range panel {
		g := weights[n*9*w.IC:][:9*w.IC]
		for k := range w.IC {
			var h [3][6]int16 // G' over columns
			for x := range 3 {
				h[x] = winoI8G(int16(int8(g[x*w.IC+k])), int16(int8(g[(3+x)*w.IC+k])), int16(int8(g[(6+x)*w.IC+k])))
			}
			to := dst[2*(k/2*panel+n)+k%2:]
			for i := range 6 {
				for j, u := range winoI8G(h[0][i], h[1][i], h[2][i]) {
					to[(6*j+i)*size] = u
				}
			}
		}
	}
}

// winoI8G is G' times (a, b, c).
func winoI8G(a, b, c int16) [6]int16 {
	s, t := a+c, a+4*c
	return [6]int16{6 * a, -s - b, b - s, t + 2*b, t - 2*b, 6 * c}
}
