package kern

import "unsafe"

// bits are elements that are moved and not looked at.
type bits interface{ uint8 | uint32 }

// transposeBlock is columns that are written before the next rows are read: their lines stay in the first cache.
const transposeBlock = 64

// Transpose sets dst[c*dstPitch+r] to src[r*srcPitch+c] for rows and columns of a matrix, which may be parts of larger ones.
// The "pack/..." switches govern the form for elements of four bytes.
func Transpose[T bits](dst, src []T, rows, cols, dstPitch, srcPitch int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	if dstPitch < 0 || srcPitch < 0 || len(dst) < (cols-1)*dstPitch+rows || len(src) < (rows-1)*srcPitch+cols {
		panic("kern: BUG: transpose: a slice does not match the sizes")
	}
	if unsafe.Sizeof(dst[0]) == 4 && cols >= 4 && packLanes(rows) > 0 {
		transposeVector(asBits(dst), asBits(src), rows, cols, dstPitch, srcPitch)
		return
	}
	for ; cols > 0; cols -= transposeBlock {
		n := min(cols, transposeBlock)
		transposeGeneric(dst, src, rows, n, dstPitch, srcPitch)
		if cols > n {
			dst, src = dst[n*dstPitch:], src[n:]
		}
	}
}

// transposeVector goes by the loop that packs weights. What is left of rows or of columns is done with some before it, again.
func transposeVector(dst, src []float32, rows, cols, dstPitch, srcPitch int) {
	last := packLanes(min(rows, 15))
	if last == 0 {
		last = packLanes(rows)
	}
	for c := 0; c < cols; c += transposeBlock {
		end := min(c+transposeBlock, cols)
		start := min(c, cols-4)
		for r := 0; r < rows; {
			lanes := packLanes(rows - r)
			if lanes == 0 {
				lanes, r = last, rows-last
			}
			t := packTile{&dst[start*dstPitch+r], &src[r*srcPitch+start], 4 * srcPitch, 4 * dstPitch, (end - start) / 4}
			packColumnsAsm(&t, lanes)
			if (end-start)%4 != 0 {
				packColumnsAsm(&packTile{&dst[(end-4)*dstPitch+r], &src[r*srcPitch+end-4], t.ld, t.width, 1}, lanes)
			}
			r += lanes
		}
	}
}

// transposeGeneric is the definition, four rows at a time.
func transposeGeneric[T bits](dst, src []T, rows, cols, dstPitch, srcPitch int) {
	r := 0
	for ; r+4 <= rows; r += 4 {
		a, b := src[r*srcPitch:][:cols], src[(r+1)*srcPitch:][:cols]
		c, d := src[(r+2)*srcPitch:][:cols], src[(r+3)*srcPitch:][:cols]
		for i, v := range a {
			to := dst[i*dstPitch+r:][:4]
			to[0], to[1], to[2], to[3] = v, b[i], c[i], d[i]
		}
	}
	switch rows - r {
	case 3:
		a, b, c := src[r*srcPitch:][:cols], src[(r+1)*srcPitch:][:cols], src[(r+2)*srcPitch:][:cols]
		for i, v := range a {
			to := dst[i*dstPitch+r:][:3]
			to[0], to[1], to[2] = v, b[i], c[i]
		}
	case 2:
		a, b := src[r*srcPitch:][:cols], src[(r+1)*srcPitch:][:cols]
		for i, v := range a {
			to := dst[i*dstPitch+r:][:2]
			to[0], to[1] = v, b[i]
		}
	case 1:
		for i, v := range src[r*srcPitch:][:cols] {
			dst[i*dstPitch+r] = v
		}
	}
}
