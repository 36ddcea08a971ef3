//go:build !amd64 || purego

package kern

func winoInputI8(t *winoTileI8)    { panic("kern: BUG: no assembly in this build") }
func winoOutputI8(t *winoTileI8)   { panic("kern: BUG: no assembly in this build") }
func winoWeightsI8(t *winoTileI8)  { panic("kern: BUG: no assembly in this build") }
func gemmI16(rows int, t *tileI16) { panic("kern: BUG: no assembly in this build") }
