package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// tnPays says that panels of both operands are worth copying for the transposed product.
var (
	tnPays     = cpu.AVX512 && haveAsm
	tnPaysAVX2 = cpu.AVX2 && haveAsm
)

func init() {
	cpu.RegisterFor("gemmtnpays/avx512", &tnPays, cpu.Intel)
	cpu.Register("gemmtnpays/avx2", &tnPaysAVX2)
}

// TNPanels is the rows and columns of a tile of the transposed product, which panels are copied for; 0 where that does not
// pay.
func TNPanels() (rows, cols int) {
	switch {
	case useGemmAVX512 && tnPays:
		return 12, 32
	case !useGemmAVX512 && useGemmAVX2 && tnPaysAVX2:
		return 12, 16
	}
	return 0, 0
}

// packTNRows rows of source stay in the first-level cache until all of their columns are copied.
const packTNRows = 8

// PackTN copies rows of n columns, ld apart, to panels of that many columns, [⌈n/width⌉][rows][width], whose last one has
// columns that are not written. A panel of a depth of some hundred stays in the first-level cache, which rows as far
// apart as a power of two do not.
//
// Some rows at a time, so that they are read one after the other.
func PackTN(dst, src []float32, rows, n, ld, width int) {
	for r := 0; r < rows; r += packTNRows {
		a := Rows{DstPitch: width, SrcPitch: ld, Rows: min(packTNRows, rows-r)}
		for j := 0; j < n; j += width {
			a.Dst, a.Src, a.N = dst[j*rows+r*width:], src[r*ld+j:], min(width, n-j)
			a.Copy()
		}
	}
}
