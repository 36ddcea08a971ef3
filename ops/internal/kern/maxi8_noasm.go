//go:build (!amd64 && !arm64) || purego

package kern

func maxI8Run(*maxI8Tile, bool) { panic("kern: BUG: no assembly here") }
