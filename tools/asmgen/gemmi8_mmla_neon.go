package main

// gemmI8MMLA writes the arm64 integer tile kernels over SMMLA, which adds two rows times two columns of eight bytes each to four
// sums, one to eight rows of eight columns. The panel holds eight bytes of each column together: two columns a register.
//
// General registers are gemmNEON's, R20 the sign flip, R6, R7, R17, R21 and R22 of passing use. V0 to V15 sums, four registers of
// two columns for two rows; V16 to V19 the panel, V22 the flip; V24 to V31 sixteen bytes of each row, then eight of two rows, see
// firstHalf.
func gemmI8MMLA() ([]byte, error) {
	w := &neon{}
	w.line(neonHead)
	for mr := 8; mr >= 1; mr-- {
		w.kernelMMLA(mr)
	}
	return w.Bytes(), nil
}

// zip is ZIP1 or ZIP2, which pairs the first or the last halves of n and m.
func (w *neon) zip(which, d, n, m int) { w.op("VZIP%d V%d.D2, V%d.D2, V%d.D2", which, m, n, d) }

// panel8 loads eight bytes of each of the eight columns.
func (w *neon) panel8() {
	w.op("VLD1.P 64(R5), [V16.B16, V17.B16, V18.B16, V19.B16]")
}

// firstHalf and lastHalf are where the first and the last eight of sixteen bytes of rows 2i and 2i+1 are.
func firstHalf(i int) int { return []int{23, 24, 26, 28}[i] }
func lastHalf(i int) int  { return 25 + 2*i }

// eight adds the products of the panel and pairs of rows. Where there is more of the panel, each register is loaded again as soon
// as it was used.
func (w *neon) eight(pairs int, where func(i int) int, more bool) {
	for j := range 4 {
		for i := range pairs {
			w.threeAs(0x4e80a400, "SMMLA", "4S", "16B", 4*i+j, where(i), 16+j)
		}
		if more {
			w.op("FMOVQ.P 16(R5), F%d", 16+j)
		}
	}
}

// flipPairs flips the signs of pairs of rows, if they are to be.
func (w *neon) flipPairs(pairs int, label string, where ...func(i int) int) {
	w.op("CBZ  R20, %s", label)
	for i := range pairs {
		for _, f := range where {
			w.op("VEOR V22.B16, V%d.B16, V%d.B16", f(i), f(i))
		}
	}
	w.line("%s:", label)
}

func (w *neon) kernelMMLA(mr int) {
	pairs := (mr + 1) / 2
	w.function("gemmI8x"+string(rune('0'+mr))+"x8MMLA", "tileI8", "GemmI8Args.runGeneric", tileA, tileZero, tileRows, tileTaps, tileB)
	w.startMMLA(pairs)
	w.line("tap:")
	w.tapRows(mr, 0)
	w.sixteens(mr, pairs)
	w.line("eight:")
	w.op("CMP  $8, R19")
	w.op("BLT  rest")
	w.panel8()
	for i := range mr {
		if i%2 == 0 {
			w.op("FMOVD.P 8(R%d), F%d", 8+i, firstHalf(i/2))
		} else {
			w.op("VLD1.P 8(R%d), V%d.D[1]", 8+i, firstHalf(i/2))
		}
	}
	w.flipPairs(pairs, "as8", firstHalf)
	w.eight(pairs, firstHalf, false)
	w.op("SUB  $8, R19")
	w.lastSeven(mr, pairs)
	w.line("next:")
	w.op("SUB  $1, R4")
	w.op("CBNZ R4, tap")
	for a := 0; a < 4*pairs; a += 4 { // rows' sums together
		w.zip(1, 16, a, a+1)
		w.zip(1, 17, a+2, a+3)
		w.zip(2, a+3, a+2, a+3)
		w.zip(2, a+2, a, a+1)
		w.op("VMOV V16.B16, V%d.B16", a)
		w.op("VMOV V17.B16, V%d.B16", a+1)
	}
	w.finishI8(mr, 0, 16)
}

// startMMLA loads what flips bytes and sets the sums to the bias, each for two rows.
func (w *neon) startMMLA(pairs int) {
	w.op("ADD  $%d, R0, R6", tileI8Xor)
	w.op("VLD1R (R6), [V22.S4]")
	w.op("VMOV V22.S[0], R20")
	w.op("MOVD %d(R0), R6", tileI8Bias)
	w.op("VLD1 (R6), [V16.S4, V17.S4]")
	for j := range 4 {
		w.op("VDUP V%d.D[%d], V%d.D2", 16+j/2, j%2, j)
	}
	for v := 4; v < 4*pairs; v++ {
		w.op("VMOV V%d.B16, V%d.B16", v%4, v)
	}
}

// sixteens multiplies the bytes of a tap while there are 16 of a row.
func (w *neon) sixteens(mr, pairs int) {
	w.line("sixteen:")
	w.op("CMP  $16, R19")
	w.op("BLT  eight")
	w.panel8()
	for i := range mr {
		w.op("VLD1.P 16(R%d), [V%d.B16]", 8+i, 24+i)
	}
	for i := range pairs { // of an odd last row the other's place is not looked at
		w.zip(1, firstHalf(i), 24+2*i, 25+2*i)
		w.zip(2, lastHalf(i), 24+2*i, 25+2*i)
	}
	w.flipPairs(pairs, "as16", firstHalf, lastHalf)
	w.eight(pairs, firstHalf, true)
	w.eight(pairs, lastHalf, false)
	w.op("SUB  $16, R19")
	w.op("B    sixteen")
}

// lastSeven multiplies a tap's last one to seven bytes of a row, and reads no byte after them.
func (w *neon) lastSeven(mr, pairs int) {
	w.line("rest:")
	w.op("CBZ  R19, next")
	w.panel8()
	w.op("MOVD %d(R0), R6", tileKC)
	w.op("CMP  $8, R6")
	w.op("BLT  short")
	w.op("SUB  $8, R19, R7") // those before them are shifted out
	w.op("NEG  R7<<3, R21")
	for i := range mr {
		w.op("MOVD (R%d)(R7), R6", 8+i)
		w.op("LSR  R21, R6, R6")
		w.op("VMOV R6, V%d.D[%d]", firstHalf(i/2), i%2)
	}
	w.op("B    last")
	w.line("short:")
	w.op("SUB  $1, R19, R7")
	w.op("AND  $4, R19, R21")
	for i := range mr {
		half, word, done := "half"+string(rune('0'+i)), "word"+string(rune('0'+i)), "done"+string(rune('0'+i))
		w.op("MOVD $0, R6")
		w.op("TBZ  $0, R19, %s", half)
		w.op("MOVBU (R%d)(R7), R6", 8+i)
		w.line("%s:", half)
		w.op("TBZ  $1, R19, %s", word)
		w.op("ADD  R21, R%d, R22", 8+i)
		w.op("MOVHU (R22), R17")
		w.op("ORR  R6<<16, R17, R6")
		w.line("%s:", word)
		w.op("TBZ  $2, R19, %s", done)
		w.op("MOVWU (R%d), R17", 8+i)
		w.op("ORR  R6<<32, R17, R6")
		w.line("%s:", done)
		w.op("VMOV R6, V%d.D[%d]", firstHalf(i/2), i%2)
	}
	w.line("last:")
	w.flipPairs(pairs, "as7", firstHalf)
	w.eight(pairs, firstHalf, false)
}
