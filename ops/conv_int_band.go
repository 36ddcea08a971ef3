package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convBand is how an integer convolution with a wide kernel finds its input: a
// task copies the rows that some rows of outputs see, with their padding, to
// its worker's scratch. There a row of the kernel is one run of bytes, so that a
// product has one tap for each, no run ends in a group that is not whole, and
// the offsets are the same for every band. Bytes are cheap to copy: each serves
// as many products as there are output channels, nine times for 3x3. Where bytes are
// widened to be multiplied, they are so as they are copied, and products read lines.
type convBand struct {
	rows   int // rows of outputs
	in     int // rows of the input that they see
	line   int // numbers of one with its padding
	size   int // bytes of a number: 2 in lines
	bytes  int // of scratch
	offset []int32
}

// bandsBelow is the number of channels from which a tap alone is long enough.
const bandsBelow = 64

// bandBytes is the most a band takes where all weights fit the cache beside it.
const bandBytes = 32 << 10

// bands chooses this way where there is room: the taps of a row are one. lines is the form of such products, or nil.
func (k *convGemmInt) bands(threads int, lines *kern.GemmI8) {
	g, b := &k.Geom, &k.band
	b.line, b.size = ((g.Out[2]-1)*g.Stride[2]+g.Kernel[2])*k.ic, 1
	need, room := k.see(1)*b.line, k.bandRoom(threads)
	if need > room {
		return
	}
	k.taps, k.kc = g.Kernel[1], g.Kernel[2]*k.ic
	b.rows = g.Out[1]
	if lines != nil && 2*need <= room {
		k.gemm, b.size = lines, 2
		k.args.Lines = kern.Lines{Width: g.Out[2], Pixel: 2 * g.Stride[2] * k.ic, Step: 2 * g.Dilation[1] * b.line, Next: 2 * g.Stride[1] * b.line}
	}
}

// bandRoom is the most bytes of a band. Bytes are small: a copy must not be what
// takes the memory.
func (k *convGemmInt) bandRoom(threads int) int {
	most := k.InSize()*k.ic + k.rows*k.oc
	if most <= 16<<10 {
		most /= 4
	} else {
		most = most * 3 / 8
	}
	return min(bandBytes, max(512, most/threads))
}

// see is how many rows of the input that many of the output see.
func (k *convGemmInt) see(rows int) int {
	return (rows-1)*k.Stride[1] + (k.Kernel[1]-1)*k.Dilation[1] + 1
}

// splitBands is split for bands. With few weights a band stays in the
// first-level cache; with many it is the whole image, so that weights pass once.
func (k *convGemmInt) splitBands(want, threads int) {
	b := &k.band
	mr, nr, oh, ow := k.gemm.MR, k.gemm.NR, k.Out[1], k.Out[2]
	panels := (k.ocg + nr - 1) / nr
	k.colChunk = panels
	if k.taps*k.kc*k.ocg > cacheBytes {
		if panels >= want {
			k.colChunk = (panels + want - 1) / want
		}
	} else {
		most := k.bandRoom(threads)
		rows := max(1, (oh+want-1)/want)
		for rows > 1 && k.see(rows)*b.line*b.size > most {
			rows--
		}
		best := 1 << 30
		for r := rows; r > rows/2; r-- { // tiles should be whole
			if waste := (mr - r*ow%mr) % mr * rows / r; waste < best {
				best, b.rows = waste, r
			}
		}
	}
	k.colChunk *= nr
	bands := (oh + b.rows - 1) / b.rows
	k.rowChunk = bands
	if want > 1 || threads > 1 && k.images*k.rows*k.ocg*k.taps*k.kc > 2*taskMACs {
		// Smaller tasks than elsewhere: claiming one is cheap, and who comes late does less.
		k.rowChunk = max(1, taskMACs/(b.rows*ow*k.ocg*k.taps*k.kc))
	}
	k.rowChunk *= b.rows * ow
	k.rowChunks = (oh*ow + k.rowChunk - 1) / k.rowChunk
	k.colChunks = (k.ocg + k.colChunk - 1) / k.colChunk
	b.in = k.see(b.rows)
	if b.size == 2 {
		b.bytes = roundUp(kern.LinesSize(b.in*b.line), 64)
		return
	}
	b.bytes = roundUp(b.in*b.line+16, 64)
	w := k.window
	w.In, w.Out, w.Pad = [3]int{1, b.in, b.line / k.ic}, [3]int{1, b.rows, ow}, [3]int{}
	w.Kernel[2] = 1
	b.offset = make([]int32, kern.RowsSize(mr, b.rows*ow, k.taps))
	w.FillRows(b.offset, mr, kern.Tiles{}, 0, b.rows*ow)
}

// copyBand copies what the band from row y of the output sees, src being the image.
func (k *convGemmInt) copyBand(dst, src []byte, y int) {
	b := &k.band
	pixels := k.In[2] * k.ic
	left := min(k.PadLo[2]*k.ic, b.line)
	have := max(0, min(pixels, b.line-left))
	from := y*k.Stride[1] - k.PadLo[1]
	for r := range k.see(min(b.rows, k.Out[1]-y)) {
		at, end := r*b.line, (r+1)*b.line
		h := from + r
		if uint(h) >= uint(k.In[1]) {
			k.padBand(dst, at, end)
			continue
		}
		if b.size == 2 {
			kern.WidenLine(dst[2*(at+left):], src[h*pixels:], have, k.args.ASigned)
		} else {
			copy(dst[at+left:], src[h*pixels:][:have])
		}
		k.padBand(dst, at, at+left)
		k.padBand(dst, at+left+have, end)
	}
}

// padBand writes the input's zero point to numbers of a band.
func (k *convGemmInt) padBand(dst []byte, from, to int) {
	zero := k.zero[0]
	if k.band.size == 1 {
		kern.Fill(dst[from:to], zero)
		return
	}
	if k.args.ASigned {
		zero ^= 0x80
	}
	line := tensor.CastSlice[uint16](dst)[from:to]
	for i := range line {
		line[i] = uint16(zero)
	}
}
