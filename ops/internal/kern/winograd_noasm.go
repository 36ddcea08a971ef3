//go:build !amd64 || purego

package kern

func winoWeightsAsm(m int, t *winoPack) { panic("kern: BUG: no assembly in this build") }

func winoInputStrip(m int, t *winoStrip)  { panic("kern: BUG: no assembly in this build") }
func winoOutputStrip(m int, t *winoStrip) { panic("kern: BUG: no assembly in this build") }
func winoOutputPooled(t *winoStrip)       { panic("kern: BUG: no assembly in this build") }

func gemmPlanes16(t *planes16) { panic("kern: BUG: no assembly in this build") }

func winoSpread(t *winoTile)       { panic("kern: BUG: no assembly in this build") }
func winoFilter(t *winoFilterTile) { panic("kern: BUG: no assembly in this build") }
func winoGather(t *winoFilterTile) { panic("kern: BUG: no assembly in this build") }

func winoFlyFour(t *winoFly, inner bool) { panic("kern: BUG: no assembly in this build") }

func winoManyTransform(t *winoMany, inner bool) { panic("kern: BUG: no assembly in this build") }
func winoManyRows(t *winoMany)                  { panic("kern: BUG: no assembly in this build") }

func winoRowsGroups(t *winoRows, h int) { panic("kern: BUG: no assembly in this build") }

func winoStem(t *stemTiles)       { panic("kern: BUG: no assembly in this build") }
func winoStemNarrow(t *stemTiles) { panic("kern: BUG: no assembly in this build") }

func winoPhaseInput(t *winoStrip)  { panic("kern: BUG: no assembly in this build") }
func winoPhaseOutput(t *winoStrip) { panic("kern: BUG: no assembly in this build") }

func winoPhaseInputTile(t *winoTile)  { panic("kern: BUG: no assembly in this build") }
func winoPhaseOutputTile(t *winoTile) { panic("kern: BUG: no assembly in this build") }
