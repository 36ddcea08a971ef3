// Command asmgen writes the amd64 and arm64 assembly of ops/internal/kern, and that of other packages where a name says
// so. The results are committed, so that users need neither this module nor avo; a test regenerates them and compares.
package main

//go:generate go run .

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	flags := flag.NewFlagSet("asmgen", flag.ExitOnError) // avo has flags of its own on the default set
	out := flags.String("out", "../../ops/internal/kern", "folder to write to")
	flags.Parse(os.Args[1:])
	for _, f := range files {
		text, err := f.generate()
		if err == nil {
			err = os.WriteFile(filepath.Join(*out, f.name), text, 0o644)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "asmgen: %s: %v\n", f.name, err)
			os.Exit(1)
		}
	}
}

// file is one generated file.
type file struct {
	name     string
	generate func() ([]byte, error)
}

var files = []file{
	{"gemm_avx512_amd64.s", avo(func(a *asm) { gemmF32(a, zmm) })},
	{"gemm16_avx512_amd64.s", avo(gemm16)},
	{"gemm_avx2_amd64.s", avo(func(a *asm) { gemmF32(a, ymm) })},
	{"dw_avx512_amd64.s", avo(func(a *asm) { dwF32(a, zmm) })},
	{"grouped_avx512_amd64.s", avo(func(a *asm) { groupedF32(a, zmm) })},
	{"grouped_avx2_amd64.s", avo(func(a *asm) { groupedF32(a, ymm) })},
	{"groupgrad_avx512_amd64.s", avo(groupGrad)},
	{"dw_avx2_amd64.s", avo(func(a *asm) { dwF32(a, ymm) })},
	{"winograd_avx512_amd64.s", avo(winogradWide)},
	{"winofly_avx512_amd64.s", avo(winogradFly)},
	{"winomany_avx512_amd64.s", avo(winogradMany)},
	{"winorows_avx512_amd64.s", avo(winogradRows)},
	{"winostem_avx512_amd64.s", avo(func(a *asm) { winoStem(a, zmm) })},
	{"winostem_avx2_amd64.s", avo(func(a *asm) { winoStem(a, ymm) })},
	{"winophase_avx512_amd64.s", avo(winoPhase)},
	{"winophase_avx2_amd64.s", avo(winoPhaseNarrow)},
	{"winograd_avx2_amd64.s", avo(func(a *asm) { winogradF32(a, ymm) })},
	{"pack_avx512_amd64.s", avo(func(a *asm) { packF32(a, zmm) })},
	{"pack_avx2_amd64.s", avo(func(a *asm) { packF32(a, ymm) })},
	{"winotrain_avx512_amd64.s", avo(func(a *asm) { winoTrain(a, zmm) })},
	{"winotrain_avx2_amd64.s", avo(func(a *asm) { winoTrain(a, ymm) })},
	{"norm_avx512_amd64.s", avo(func(a *asm) { normF32(a, zmm) })},
	{"norm_avx2_amd64.s", avo(func(a *asm) { normF32(a, ymm) })},
	{"dwgrad_avx512_amd64.s", avo(func(a *asm) { dwGrad(a, zmm) })},
	{"dwgrad_avx2_amd64.s", avo(func(a *asm) { dwGrad(a, ymm) })},
	{"dwgraddown_avx2_amd64.s", avo(func(a *asm) { dwGradDown(a, ymm) })},
	{"vecgrad_avx512_amd64.s", avo(func(a *asm) { vecGrad(a, zmm) })},
	{"vecgrad_avx2_amd64.s", avo(func(a *asm) { vecGrad(a, ymm) })},
	{"winner_avx512_amd64.s", avo(func(a *asm) { winners(a, zmm) })},
	{"winner_avx2_amd64.s", avo(func(a *asm) { winners(a, ymm) })},
	{"narrow_avx512_amd64.s", avo(func(a *asm) { narrowF32(a, zmm) })},
	{"narrow_avx2_amd64.s", avo(func(a *asm) { narrowF32(a, ymm) })},
	{"strips_avx512_amd64.s", avo(func(a *asm) { stripsF32(a, zmm) })},
	{"strips_avx2_amd64.s", avo(func(a *asm) { stripsF32(a, ymm) })},
	{"stripsi8_avx512_amd64.s", avo(func(a *asm) { stripI8(a, zmm) })},
	{"stripsi8_avx2_amd64.s", avo(func(a *asm) { stripI8(a, ymm) })},
	{"rows_amd64.s", avo(func(a *asm) {
		for _, v := range []isa{zmm, ymm} {
			rowsMove(a, v, "rowsAdd", true)
			rowsMove(a, v, "rowsCopy", false)
		}
	})},
	{"gemmi8_avx512_amd64.s", avo(gemmI8)},
	{"gemmi8_avx2_amd64.s", avo(gemmI8Narrow)},
	{"dwi8_avx512_amd64.s", avo(func(a *asm) { dwI8(a, zmm) })},
	{"dwi8_avx2_amd64.s", avo(func(a *asm) { dwI8(a, ymm) })},
	{"dwquad_avx512_amd64.s", avo(dwQuads)},
	{"veci8_avx512_amd64.s", avo(func(a *asm) { vecI8(a, zmm) })},
	{"veci8_avx2_amd64.s", avo(func(a *asm) { vecI8(a, ymm) })},
	{"lookup_avx512_amd64.s", avo(lookupBytes)},
	{"interleave_avx512_amd64.s", avo(interleave)},
	{"maxi8_avx2_amd64.s", avo(maxI8)},
	{"sumsi8_avx2_amd64.s", avo(sumsI8)},
	{"gemm_neon_arm64.s", gemmNEON},
	{"strips_neon_arm64.s", stripsNEON},
	{"dw_neon_arm64.s", dwNEON},
	{"dwi8_neon_arm64.s", dwI8NEON},
	{"vec_neon_arm64.s", vecNEON},
	{"winograd_neon_arm64.s", winogradNEON},
	{"gemmtn_avx512_amd64.s", avo(func(a *asm) { gemmTN(a, zmm) })},
	{"gemmtn_avx2_amd64.s", avo(func(a *asm) { gemmTN(a, ymm) })},
	{"gemmtn_neon_arm64.s", gemmTNNEON},
	{"pairs_avx512_amd64.s", avo(pairsF32)},
	{"taps_avx512_amd64.s", avo(tapOffsets)},
	{"gemmbf16_amd64.s", avo(gemmBF16)},
	{"winoi8_avx512_amd64.s", avo(winogradI8)},
	{"winoi8_avx2_amd64.s", avo(winogradI8Narrow)},
	{"gemmi8_sdot_arm64.s", gemmI8NEON},
	{"gemmi8_mlal_arm64.s", gemmI8MLAL},
	{"gemmi8_mmla_arm64.s", gemmI8MMLA},
	{"veci8_neon_arm64.s", vecI8NEON},
	{"maxi8_neon_arm64.s", maxI8NEON},
	{"lookup_neon_arm64.s", lookupNEON},
	{"interleave_neon_arm64.s", interleaveNEON},
	{"pack_neon_arm64.s", packNEON},
	{"ceiling_amd64.s", avo(func(a *asm) { ceiling(a, zmm); ceiling(a, ymm) })},
	{"vec_avx512_amd64.s", avo(func(a *asm) { vecF32(a, zmm) })},
	{"vec_avx2_amd64.s", avo(func(a *asm) { vecF32(a, ymm) })},
	{"../../../quant/decode_amd64.s", avo(decodeWeights)},
}
