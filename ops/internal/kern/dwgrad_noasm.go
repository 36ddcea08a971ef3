//go:build !amd64 || purego

package kern

func tapRun(dot bool, t *tapArgs) { panic("kern: BUG: no assembly in this build") }

func tapDots(t *tapArgs) { panic("kern: BUG: no assembly in this build") }
