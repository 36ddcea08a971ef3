//go:build (!amd64 && !arm64) || purego

package kern

func dwAny(t *dwTile) { panic("kern: BUG: no assembly in this build") }

func dwShared(t *dwTile, kw, s, n int) { panic("kern: BUG: no assembly in this build") }

func poolTile(t *dwTile, sum bool) { panic("kern: BUG: no assembly in this build") }
func dwPairs(t *dwTile, n int)     { panic("kern: BUG: no assembly in this build") }
func dwSeven(t *dwTile)            { panic("kern: BUG: no assembly in this build") }
func dwDown(t *dwTile, s, n int)   { panic("kern: BUG: no assembly in this build") }
