//go:build (!amd64 && !arm64) || purego

package kern

func dwI8Any(t *dwTileI8, signed bool) { panic("kern: BUG: no assembly in this build") }

func dwI8Shared(t *dwTileI8, signed bool, kw, s, n int) {
	panic("kern: BUG: no assembly in this build")
}

func dwQuads(t *dwQuadTile, rows int) { panic("kern: BUG: no assembly in this build") }

func dwQuadRow(t *dwRow) { panic("kern: BUG: no assembly in this build") }

func dwI8Down(t *dwTileI8, signed bool, s, n int) { panic("kern: BUG: no assembly in this build") }
