package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var (
	useInterleaveVBMI = cpu.VBMI && haveAsm
	useInterleaveNEON = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("interleave/vbmi", &useInterleaveVBMI)
	cpu.Register("interleave/neon", &useInterleaveNEON)
}

// interleaveArgs is what the loop is handed; assembly knows the offsets (see TestInterleave).
type interleaveArgs struct {
	dst, src         *byte
	order            *[64]byte
	mats, cols       int
	dstStep, srcStep int
	rows             int
	row              [3]int // bytes from the first row to the others
	mask             uint64 // of the bytes of a block
	size             int    // of an element
}

// CanInterleave says that Interleave has a vector form for matrices of this size, of elements of size bytes.
func CanInterleave(size, rows, cols int) bool {
	return (useInterleaveVBMI || useInterleaveNEON) && (size == 1 || size == 4) && 2 <= rows && rows <= 4 && size*cols >= 16
}

// Interleave transposes matrices of elements of size bytes that have two to four rows: element m·dstStep+c·rows+r of dst is
// element m·srcStep+r·srcPitch+c of src.
func Interleave(dst, src []byte, size, mats, rows, cols, dstStep, srcStep, srcPitch int) {
	if mats <= 0 || rows <= 0 || cols <= 0 {
		return
	}
	if dstStep < 0 || srcStep < 0 || srcPitch < 0 || len(dst) < size*((mats-1)*dstStep+rows*cols) ||
		len(src) < size*((mats-1)*srcStep+(rows-1)*srcPitch+cols) {
		panic("kern: BUG: interleave: a slice does not match the sizes")
	}
	if !CanInterleave(size, rows, cols) {
		for i := range mats * rows * cols {
			m, c, r := i/(rows*cols), i/rows%cols, i%rows
			copy(dst[size*(m*dstStep+c*rows+r):][:size], src[size*(m*srcStep+r*srcPitch+c):])
		}
		return
	}
	var order [64]byte
	for i := range 16 * rows {
		at := i / size
		order[i] = byte(at%rows*16 + at/rows*size + i%size)
	}
	a := interleaveArgs{&dst[0], &src[0], &order, mats, size * cols, size * dstStep, size * srcStep, rows, [3]int{}, 1<<(16*rows) - 1, size}
	for i := range rows - 1 {
		a.row[i] = size * (i + 1) * srcPitch
	}
	interleaveRun(&a)
}
