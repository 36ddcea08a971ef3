//go:build (!amd64 && !arm64) || purego

package kern

func vecI8Run(op vecI8Op, t *vecI8Args) { panic("kern: BUG: no assembly in this build") }
