package kern

import "unsafe"

// Rows of 16-bit numbers, for VPMADDWD: it adds the products of two numbers of a row with two weights. A tile's rows are widened
// before its products, taps one behind the other, so that the inner loop knows neither taps nor padding nor signs.

// wideSlack is what a row of 16-bit numbers has behind it: a last vector may be written whole.
const wideSlack = 32

// wideStride is the bytes from one wide row to the next: an odd number of cache lines, or long rows would share sets.
func (g *GemmI8) wideStride(taps, kc int) int {
	return (2*g.depth(taps*kc)+wideSlack+63)&^63 | 64
}

// WideSize is how many bytes of GemmI8Args.Wide a product of that many rows needs: none where the stack has room, as it has for the
// layers of networks whose activations are no more than that themselves.
func (g *GemmI8) WideSize(rows, taps, kc int) int {
	if n := g.wideSize(rows, taps, kc); n > wideOnStack {
		return n
	}
	return 0
}

// wideSize is the bytes of a tile's wide rows.
func (g *GemmI8) wideSize(rows, taps, kc int) int {
	if !g.wide {
		return 0
	}
	return min(rows, g.MR) * g.wideStride(taps, kc)
}

// What wide rows take on the stack at most, and what is cheaper to clear where they need no more.
const wideOnStack, wideFew = 12 << 10, 2 << 10

// runOnStack is runBlock with room for wide rows on the stack.
func (g *GemmI8) runOnStack(a *GemmI8Args, m0, m1, n0, n1 int, next []byte) {
	var wide [wideOnStack]byte
	g.runBlock(a, m0, m1, n0, n1, next, wide[:])
}

func (g *GemmI8) runOnLittle(a *GemmI8Args, m0, m1, n0, n1 int, next []byte) {
	var wide [wideFew]byte
	g.runBlock(a, m0, m1, n0, n1, next, wide[:])
}

// TapBytes is how many bytes of a tap of kc a product may read where what is behind it adds nothing.
func (g *GemmI8) TapBytes(kc int) int {
	if g.wide {
		return kc
	}
	return g.depth(kc)
}

// widenRows is what assembly does before a tile's products, one row of t.mr after the other.
func (t *tileI8) widenRows(mr int) {
	for i := range t.mr {
		to := unsafe.Slice((*int16)(unsafe.Add(unsafe.Pointer(t.wide), i*t.stride)), t.taps*t.kc)
		for tap := range t.taps {
			from := t.zero
			if o := unsafe.Slice(t.rows, mr*t.taps)[mr*tap+i]; o >= 0 {
				from = (*byte)(unsafe.Add(unsafe.Pointer(t.a), o))
			}
			for k, v := range unsafe.Slice(from, t.kc) {
				to[tap*t.kc+k] = int16(v ^ byte(t.flip))
			}
		}
	}
}
