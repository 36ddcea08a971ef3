package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var useInterleaveVBMI = cpu.VBMI && haveAsm

func init() { cpu.Register("interleave/vbmi", &useInterleaveVBMI) }

// interleaveArgs is what the loop is handed; assembly knows the offsets (see TestInterleave).
type interleaveArgs struct {
	dst, src         *byte
	order            *[64]byte
	mats, cols       int
	dstStep, srcStep int
	rows             int
	row              [3]int // bytes from the first row to the others
	mask             uint64 // of the bytes of a block
}

// CanInterleave says that Interleave has a vector form for matrices of this size.
func CanInterleave(rows, cols int) bool {
	return useInterleaveVBMI && 2 <= rows && rows <= 4 && cols >= 16
}

// Interleave transposes matrices of bytes that have two to four rows: dst[m·dstStep+c·rows+r] is src[m·srcStep+r·srcPitch+c].
func Interleave(dst, src []byte, mats, rows, cols, dstStep, srcStep, srcPitch int) {
	if mats <= 0 || rows <= 0 || cols <= 0 {
		return
	}
	if dstStep < 0 || srcStep < 0 || srcPitch < 0 || len(dst) < (mats-1)*dstStep+rows*cols || len(src) < (mats-1)*srcStep+(rows-1)*srcPitch+cols {
		panic("kern: BUG: interleave: a slice does not match the sizes")
	}
	if !CanInterleave(rows, cols) {
		for m := range mats {
			transposeGeneric(dst[m*dstStep:], src[m*srcStep:], rows, cols, rows, srcPitch)
		}
		return
	}
	var order [64]byte
	for i := range 16 * rows {
		order[i] = byte(i%rows*16 + i/rows)
	}
	a := interleaveArgs{&dst[0], &src[0], &order, mats, cols, dstStep, srcStep, rows, [3]int{}, 1<<(16*rows) - 1}
	for i := range rows - 1 {
		a.row[i] = (i + 1) * srcPitch
	}
	interleaveRun(&a)
}
