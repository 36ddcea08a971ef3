//go:build !amd64 || purego

package kern

func sumsI8Run(t *sumsI8Tile) { panic("kern: BUG: no assembly in this build") }
