package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var useGemm16AVX512 = cpu.AVX512 && haveAsm

func init() { cpu.Register("gemm16/avx512", &useGemm16AVX512) }

// planes16 is products of dense rows of 16 floats by 16 columns, one a plane: what a layer of 16 channels is made of in
// Winograd's convolution. They are so short that starting a tile kernel takes as long as its sums, and so narrow that the
// weights of a plane stay in registers. Bits are GemmF32's. C may be A. Assembly knows the offsets (see TestPlanes16).
type planes16 struct {
	a, b, c    *float32
	bias       *float32 // or nil
	planes     int
	biased     int // the plane with the bias; beyond planes, or negative: none
	rows       int
	da, db, dc int // bytes from one plane to the next
}

// runPlanes16 is runSmall for such products; false where it is not there or they are others.
func (g *GemmF32) runPlanes16(a *GemmF32Args, planes, biased, da, db, dc, rows int) bool {
	if !useGemm16AVX512 || g.isa != isaAVX512 || a.KC != 16 || a.N != 16 || a.LDA != 16 || a.LDC != 16 || rows <= 0 || planes <= 0 {
		return false
	}
	t := planes16{planes: planes, biased: biased, rows: rows, da: 4 * da, db: 4 * db, dc: 4 * dc}
	if a.Bias != nil {
		t.bias = &a.Bias[:16][0]
	}
	last := planes - 1
	t.a, t.b, t.c = &a.A[:last*da+16*rows][0], &a.B[:last*db+256][0], &a.C[:last*dc+16*rows][0]
	gemmPlanes16(&t)
	return true
}
