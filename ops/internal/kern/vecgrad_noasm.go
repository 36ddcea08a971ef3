//go:build !amd64 || purego

package kern

func slopeRun(f Slope, t *vecArgs) { panic("kern: BUG: no assembly in this build") }
