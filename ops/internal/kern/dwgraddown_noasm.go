//go:build !amd64 || purego

package kern

func tapDown(t *tapDownArgs, stride int) { panic("kern: BUG: no assembly in this build") }
