//go:build (!amd64 && !arm64) || purego

package kern

func winoInput(m int, t *winoTile)  { panic("kern: BUG: no assembly in this build") }
func winoOutput(m int, t *winoTile) { panic("kern: BUG: no assembly in this build") }
