//go:build (!amd64 && !arm64) || purego

package kern

func packColumnsAsm(*packTile, int) { panic("kern: BUG: no assembly here") }
