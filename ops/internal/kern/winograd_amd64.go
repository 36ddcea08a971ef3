//go:build !purego

package kern

func winoInput(m int, t *winoTile) {
	if m == 4 {
		winoInput4AVX2(t)
	} else {
		winoInput2AVX2(t)
	}
}

func winoInputStrip(m int, t *winoStrip) {
	if m == 4 {
		winoInput4AVX512(t)
	} else {
		winoInput2AVX512(t)
	}
}

func winoOutput(m int, t *winoTile) {
	if m == 4 {
		winoOutput4AVX2(t)
	} else {
		winoOutput2AVX2(t)
	}
}

func winoOutputStrip(m int, t *winoStrip) {
	if m == 4 {
		winoOutput4AVX512(t)
	} else {
		winoOutput2AVX512(t)
	}
}

func winoOutputPooled(t *winoStrip) { winoPooled4AVX512(t) }

func winoWeightsAsm(m int, t *winoPack) {
	switch {
	case useWinoAVX512 && m == 4:
		winoWeights4AVX512(t)
	case useWinoAVX512:
		winoWeights2AVX512(t)
	case m == 4:
		winoWeights4AVX2(t)
	default:
		winoWeights2AVX2(t)
	}
}

// See winoWeightsGeneric for what these compute.

//go:noescape
func winoWeights2AVX512(t *winoPack)

//go:noescape
func winoWeights4AVX512(t *winoPack)

//go:noescape
func winoWeights2AVX2(t *winoPack)

//go:noescape
func winoWeights4AVX2(t *winoPack)

// Transforms of a strip, or of one tile; see winoInputGeneric and outputGeneric for what they compute.

//go:noescape
func winoInput2AVX512(t *winoStrip)

//go:noescape
func winoInput4AVX512(t *winoStrip)

//go:noescape
func winoOutput2AVX512(t *winoStrip)

//go:noescape
func winoOutput4AVX512(t *winoStrip)

//go:noescape
func winoPooled4AVX512(t *winoStrip)

//go:noescape
func winoInput2AVX2(t *winoTile)

//go:noescape
func winoInput4AVX2(t *winoTile)

//go:noescape
func winoOutput2AVX2(t *winoTile)

//go:noescape
func winoOutput4AVX2(t *winoTile)

func winoFlyFour(t *winoFly, inner bool) {
	if inner {
		winoFly4InnerAVX512(t)
	} else {
		winoFly4OuterAVX512(t)
	}
}

//go:noescape
func winoFly4InnerAVX512(t *winoFly)

//go:noescape
func winoFly4OuterAVX512(t *winoFly)

func winoManyTransform(t *winoMany, inner bool) {
	if inner {
		winoManyInnerAVX512(t)
	} else {
		winoManyOuterAVX512(t)
	}
}

//go:noescape
func winoManyInnerAVX512(t *winoMany)

//go:noescape
func winoManyOuterAVX512(t *winoMany)

//go:noescape
func winoManyRows(t *winoMany)

func winoRowsGroups(t *winoRows, h int) {
	if h == winoTall {
		winoRows10AVX512(t)
	} else {
		winoRows8AVX512(t)
	}
}

//go:noescape
func winoRows10AVX512(t *winoRows)

//go:noescape
func winoRows8AVX512(t *winoRows)
