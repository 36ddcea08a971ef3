package kern

import (
	"encoding/binary"
	"math"
)

// PackedSize is the length of packed weights in bytes for n columns and taps of kc.
func (g *GemmI8) PackedSize(n, taps, kc int) int {
	return g.panelBytes(taps, kc, packedColumns(n, g.NR, g.Half))
}

// panelBytes is the size of that many columns.
func (g *GemmI8) panelBytes(taps, kc, columns int) int {
	if g.wide {
		return g.depth(taps*kc) * columns
	}
	return taps * g.depth(kc) * columns
}

// depth is kc rounded up to whole groups.
//
//go:noinline
func (g *GemmI8) depth(kc int) int { return (kc + g.Group - 1) / g.Group * g.Group }

// Pack lays weights out as panels [ceil(n/NR)][taps][kc/Group][NR][Group], or as place says. Column j is at w[j*ld : j*ld+taps*kc], int8 or
// uint8 as signed says. zero holds the weights' zero points: none (all 0), one, or n.
func (g *GemmI8) Pack(dst, w []byte, n, taps, kc, ld int, signed bool, zero []int32) {
	if g.wide {
		taps, kc = 1, taps*kc
	}
	dst = dst[:g.PackedSize(n, taps, kc)]
	depth, columns := g.depth(kc), packedColumns(n, g.NR, g.Half)
	if depth != kc || columns != n {
		clear(dst)
	}
	first := 0
	if depth == kc && ld%4 == 0 && g.Group == 4 && !g.wide && signed && packLanes(columns) > 0 {
		// Groups are moved as float32 numbers are: [k][NR], too.
		for ; first < n; first += g.NR {
			width := min(g.NR, columns-first)
			packColumns(asFloats(dst[g.panelBytes(taps, kc, first):]), asFloats(w[first*ld:]), width, min(width, n-first), taps*kc/4, ld/4)
		}
	}
	for j := first; j < n; j++ {
		panel := j / g.NR * g.NR
		width := min(g.NR, columns-panel)
		base := g.panelBytes(taps, kc, panel)
		for t := range taps {
			col := w[j*ld+t*kc:][:kc]
			to := dst[base+t*depth*width+(j-panel)*g.lane():]
			packBytes(to, col, width*g.lane(), g.lane(), signed)
		}
	}
}

// packBytes writes groups of a column step bytes apart, unsigned weights with the top bit flipped.
func packBytes(to, col []byte, step, group int, signed bool) {
	var flip uint32
	if !signed {
		flip = 0x80808080
	}
	k := 0
	switch {
	case group == 2:
		for ; k+2 <= len(col); k += 2 {
			binary.LittleEndian.PutUint16(to[k/2*step:], binary.LittleEndian.Uint16(col[k:])^uint16(flip))
		}
	case group >= 4:
		for ; k+4 <= len(col); k += 4 {
			binary.LittleEndian.PutUint32(to[k/group*step+k%group:], binary.LittleEndian.Uint32(col[k:])^flip)
		}
	}
	for ; k < len(col); k++ {
		to[k/group*step+k%group] = col[k] ^ byte(flip)
	}
}

// place is where in a tap of a panel so many columns wide the weight of depth k and column j is.
func (g *GemmI8) place(k, j, width int) int {
	lane := g.lane()
	return k/lane*lane*width + j*lane + k%lane
}

// lane is how many bytes of a column lie together.
func (g *GemmI8) lane() int {
	if g.wide {
		return 2
	}
	return g.Group
}

func zeroAt(zero []int32, j int) int32 {
	switch len(zero) {
	case 0:
		return 0
	case 1:
		return zero[0]
	}
	return zero[j]
}

// Columns makes what the sums of each column meet. The first seven arguments are Pack's. bias (n, or nil) and scale (one,
// or n) are the product's, az the zero point of A as it is stored and aSigned whether it is int8.
func (g *GemmI8) Columns(w []byte, n, taps, kc, ld int, signed bool, zero []int32, bias []int32, scale []float32, az int32, aSigned bool) *GemmI8Columns {
	cols := packedColumns(n, g.NR, g.Half)
	c := &GemmI8Columns{bias: make([]int32, cols), scale: make([]float32, cols)}
	k := int32(taps * kc)
	az = g.inside(az, aSigned)
	left := make([]int32, cols) // zero points of the weights as the kernel sees them
	for j := range n {
		sums, most := sumsI8(w[j*ld:][:taps*kc], signed)
		sum, size := int32(sums), 255*most // of those weights; the most that they can make of unsigned bytes
		if !signed {
			sum += 128 * k
		}
		z := zeroAt(zero, j)
		if !signed {
			sum -= 128 * k
			z -= 128
		}
		left[j] = z
		if z != 0 {
			c.zero = left
		}
		if bias != nil {
			c.bias[j] = bias[j]
		}
		c.bias[j] -= az * (sum - k*z)
		c.scale[j] = scale[min(j, len(scale)-1)]
		size += 255*int64(k)*int64(max(z, -z)) + int64(max(c.bias[j], -c.bias[j]))
		if s := float64(c.scale[j]); !(s >= 0 && s*float64(size) < 1<<30) || size >= 1<<31 {
			c.wild = true
		}
	}
	return c
}

// Symmetric reports whether all zero points of weights are gone: then bytes that meet weights of 0 add nothing.
func (c *GemmI8Columns) Symmetric() bool { return c.zero == nil }

// Fill sets all bytes.
//
//go:noinline
func Fill(b []byte, v byte) {
	n := min(16, len(b))
	for i := range b[:n] {
		b[i] = v
	}
	for ; n > 0 && n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// requantI8 is clamp(roundHalfEven(float32(acc)·scale) + zero, lo, hi), clamped before rounding so that nothing overflows;
// lo for a NaN.
func requantI8(acc int32, scale float32, zero, lo, hi int32) byte {
	return roundI8(float32(acc)*scale, zero, lo, hi)
}

func roundI8(v float32, zero, lo, hi int32) byte {
	if !(v > float32(lo-zero)) {
		v = float32(lo - zero)
	}
	if v > float32(hi-zero) {
		v = float32(hi - zero)
	}
	return byte(int32(math.RoundToEven(float64(v))) + zero)
}
