package kern

import "math"

// DWI8Quads is another form of 3x3 weights, for VPDPBUSD: the four bytes that it multiplies are one column of four
// neighbouring rows of a channel, which hold the three taps of an output and those of the output below.
//
// Rows of the input are copied, with their padding and as unsigned numbers, to a ring of four in the scratch. What the
// input's zero point adds is in the bias.
type DWI8Quads struct {
	w    []byte  // [block of 32 channels][first or second row of outputs][3 columns][2][16 channels][4 rows]
	cols []int32 // [block][32 sums to start from, then 32 scales as float32], in the order of w
	flat bool    // 32 "channels" are some neighbouring pixels
}

// quadBlock is how many channels the kernel does at a time.
const quadBlock = 32

// NewQuads makes that form for a convolution, all of whose other fields are set, or nil where there is none.
func (a *DWI8Args) NewQuads() *DWI8Quads {
	if !useDWI8VBMI || a.KH != 3 || a.KW != 3 || a.DH != 1 || a.DW != 1 || a.SH > 2 || a.SW > 2 || a.Pixel != a.C || a.OW <= 0 {
		return nil
	}
	q := &DWI8Quads{flat: a.SW == 1 && a.C < quadBlock && quadBlock%a.C == 0 && a.OutPixel == a.C}
	blocks := (a.C + quadBlock - 1) / quadBlock
	q.w, q.cols = make([]byte, blocks*12*64), make([]int32, blocks*64)
	flip, _ := a.flip()
	za, p := a.InZero+int32(flip), padC(a.C)
	for i := range blocks * quadBlock {
		c, h, at := i, i/4%2, i/8%4*4+i%4 // a channel, half and place of the block
		if q.flat {
			c = i % a.C
		}
		if c >= a.C {
			continue
		}
		w, cols := q.w[i/quadBlock*12*64:], q.cols[i/quadBlock*64:]
		var sum, size int64
		for t := range 9 {
			v := int64(int16(a.Weights.w[t*p+c]))
			if v != int64(int8(v)) {
				return nil
			}
			sum += v
			size += max(v, -v)
			ky, kx := t/3, t%3
			w[(kx*2+h)*64+at*4+ky] = byte(v)
			w[(6+kx*2+h)*64+at*4+ky+1] = byte(v)
		}
		bias := int64(a.Weights.bias[c]) - int64(za)*sum
		size = 255*size + max(bias, -bias)
		scale := a.Weights.scale[c]
		if s := float64(scale); size >= 1<<31 || !(s >= 0 && s*float64(size) < 1<<30) {
			return nil // the kernel converts before it clamps
		}
		cols[h*16+at] = int32(bias)
		cols[32+h*16+at] = int32(math.Float32bits(scale))
	}
	return q
}

// flip is what turns the input's bytes, and the output's, into unsigned ones.
func (a *DWI8Args) flip() (in, out byte) {
	if a.InSigned {
		in = 0x80
	}
	if a.Lo < 0 || a.OutZero < 0 {
		out = 0x80
	}
	return
}

// quadRow is the columns of a copied row, and its bytes: more than those, for the kernel reads whole blocks.
func (a *DWI8Args) quadRow() (cols, bytes int) {
	cols = (a.OW-1)*a.SW + 3
	return cols, (cols*a.C + quadBlock + 63) &^ 63
}

// ScratchSize is the bytes of Scratch.
func (a *DWI8Args) ScratchSize() int {
	if a.Quads == nil {
		return 0
	}
	_, bytes := a.quadRow()
	return 5 * bytes
}

// dwQuadTile is what a kernel is handed; assembly knows the offsets (see TestDWQuadLayout).
type dwQuadTile struct {
	rows           [4]*byte
	step           int // bytes from one output's columns to the next's
	tap            int // bytes from one column to the next
	out            *byte
	outRow         int
	outStep        int
	steps          int
	channels       int // whole blocks of these, with the mask for the last
	w              *byte
	cols           *int32
	mask           uint64
	zero           uint32 // twice the 16 bits
	lo, hi, outXor uint32 // four times the byte
}

func (a *DWI8Args) runQuads(y0, y1 int) {
	q := a.Quads
	cols, size := a.quadRow()
	if len(a.Scratch) < 5*size {
		panic("kern: BUG: integer depthwise: no scratch")
	}
	flip, outFlip := a.flip()
	in := dwRow{n: max(0, min(a.W, cols-a.PL)) * a.C, flip: uint32(flip) * 0x01010101}
	padding := a.Scratch[4*size : 5*size]
	Fill(padding, byte(a.InZero)^flip)
	for s := range 4 { // what lies left and right of the image
		row := a.Scratch[s*size:][:cols*a.C]
		left := min(a.PL*a.C, len(row))
		copy(row[:left], padding)
		copy(row[left+in.n:], padding)
	}
	shift := int32(outFlip)
	t := dwQuadTile{
		step: a.SW * a.C, tap: a.C, outRow: a.OW * a.OutPixel, outStep: a.OutPixel, steps: a.OW, channels: a.C,
		w: &q.w[0], cols: &q.cols[0], mask: 1<<((a.C-1)%quadBlock+1) - 1,
		zero:   uint32(uint16(a.OutZero+shift)) * 0x00010001,
		lo:     uint32(a.Lo+shift) * 0x01010101,
		hi:     uint32(a.Hi+shift) * 0x01010101,
		outXor: uint32(outFlip) * 0x01010101,
	}
	have := y0 * a.SH // rows of the padded image that were copied: those before this
	for y := y0; y < y1; {
		n := 1
		if a.SH == 1 && y+1 < y1 {
			n = 2
		}
		first := y * a.SH
		need := first + 2 + n
		for ; have < need; have++ {
			if iy := have - a.PT; iy >= 0 && iy < a.H && in.n > 0 {
				in.dst, in.src = &a.Scratch[have%4*size+a.PL*a.C], &a.In[iy*a.W*a.C]
				dwQuadRow(&in)
			}
		}
		for i := range t.rows {
			r := min(first+i, need-1)
			if iy := r - a.PT; iy >= 0 && iy < a.H {
				t.rows[i] = &a.Scratch[r%4*size]
			} else {
				t.rows[i] = &padding[0]
			}
		}
		a.quadRows(&t, y, n)
		y += n
	}
}

// quadRows computes n rows of outputs from y.
func (a *DWI8Args) quadRows(t *dwQuadTile, y, n int) {
	at := y * a.OW * a.OutPixel
	if !a.Quads.flat {
		t.out = &a.Out[at]
		dwQuads(t, n)
		return
	}
	all := a.OW * a.C
	u := *t
	u.step, u.outStep, u.channels = quadBlock, quadBlock, quadBlock
	if u.steps, u.mask = all/quadBlock, 1<<quadBlock-1; u.steps > 0 {
		u.out = &a.Out[at]
		dwQuads(&u, n)
	}
	if left := all % quadBlock; left > 0 {
		u.steps, u.mask = 1, 1<<left-1
		for i := range u.rows {
			u.rows[i] = bytesAfter(u.rows[i], all-left)
		}
		u.out = &a.Out[at+all-left]
		dwQuads(&u, n)
	}
}

// dwRow is one row to copy; assembly knows the offsets.
type dwRow struct {
	dst, src *byte
	n        int
	flip     uint32
}
