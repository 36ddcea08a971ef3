package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var (
	usePackAVX512 = cpu.AVX512 && haveAsm
	usePackAVX2   = cpu.AVX2 && haveAsm
	usePackNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("pack/avx512", &usePackAVX512)
	cpu.Register("pack/avx2", &usePackAVX2)
	cpu.Register("pack/neon", &usePackNEON)
}

// PackedSize is the length of packed weights in floats for n columns and depth k.
//
//go:noinline
func (g *GemmF32) PackedSize(n, k int) int { return g.packedColumns(n) * k }

// packedColumns is the columns that n take in panels.
//
//go:noinline
func (g *GemmF32) packedColumns(n int) int { return packedColumns(n, g.NR, g.Half) }

// packedColumns is n rounded up to panels of nr, the last one half wide when that suffices.
//
//go:noinline
func packedColumns(n, nr, half int) int {
	full, rest := n/nr*nr, n%nr
	switch {
	case rest == 0:
		return full
	case rest <= half:
		return full + half
	}
	return full + nr
}

// Pack lays weights out as panels of NR columns, [ceil(n/NR)][k][NR], zero filled; the last panel is Half wide when that
// suffices. w holds column j at w[j*ld : j*ld+k]: conv weights [oc][taps·ic] and dense weights [out][in] with ld = k.
// Column j's elements must be in the order of the product's taps.
//
//go:noinline
func (g *GemmF32) Pack(dst, w []float32, n, k, ld int) { g.pack(dst, w, n, k, ld, 1) }

// PackKN is Pack for weights laid [k][n], row p at w[p*ld : p*ld+n]: the right side of a MatMul.
func (g *GemmF32) PackKN(dst, w []float32, n, k, ld int) { g.pack(dst, w, n, k, 1, ld) }

func (g *GemmF32) pack(dst, w []float32, n, k, sn, sk int) {
	dst = dst[:g.PackedSize(n, k)]
	for j := 0; j < n; j += g.NR {
		width := min(g.NR, g.packedColumns(n)-j)
		panel := dst[j*k : j*k+width*k]
		have := min(width, n-j)
		if have < width {
			clear(panel)
		}
		if sk == 1 {
			packColumns(panel, w[j*sn:], width, have, k, sn)
			continue
		}
		for p := range k {
			copy(panel[p*width:p*width+have], w[p*sk+j*sn:])
		}
	}
}

// packTile is columns to transpose, as many as a loop takes; assembly knows the offsets (see TestPackColumns).
type packTile struct {
	dst, src *float32
	ld       int // bytes from one column of src to the next
	width    int // bytes from one row of dst to the next
	groups   int // of four rows
}

// packColumns transposes have columns of k elements, ld apart, into rows of width.
func packColumns(dst, w []float32, width, have, k, ld int) {
	if have == 0 || k == 0 {
		return
	}
	_, _ = dst[(k-1)*width+have-1], w[(have-1)*ld+k-1]
	c, lanes := 0, packLanes(have)
	for ; lanes > 0 && k >= 4; lanes = packLanes(have - c) {
		packColumnsAsm(&packTile{&dst[c], &w[c*ld], 4 * ld, 4 * width, k / 4}, lanes)
		for p := k &^ 3; p < k; p++ {
			for i := range lanes {
				dst[p*width+c+i] = w[(c+i)*ld+p]
			}
		}
		c += lanes
	}
	packColumnsGeneric(dst[c:], w[min(c*ld, len(w)):], width, have-c, k, ld)
}

// packLanes is how many columns assembly can take of those left, 0 for none.
//
//go:noinline
func packLanes(left int) int {
	switch {
	case usePackAVX512 && left >= 16:
		return 16
	case (usePackAVX2 || usePackNEON) && left >= 8:
		return 8
	case usePackNEON && left >= 4:
		return 4
	}
	return 0
}

// packColumnsGeneric is the definition, four columns at a time.
func packColumnsGeneric(dst, w []float32, width, have, k, ld int) {
	c := 0
	for ; c+4 <= have; c += 4 {
		w0, w1, w2, w3 := w[c*ld:][:k], w[(c+1)*ld:][:k], w[(c+2)*ld:][:k], w[(c+3)*ld:][:k]
		for p, v := range w0 {
			to := dst[p*width+c:][:4]
			to[0], to[1], to[2], to[3] = v, w1[p], w2[p], w3[p]
		}
	}
	for ; c < have; c++ {
		for p, v := range w[c*ld:][:k] {
			dst[p*width+c] = v
		}
	}
}
