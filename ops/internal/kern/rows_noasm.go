//go:build !amd64 || purego

package kern

func rowsRun(t *rowsArgs, add bool) { panic("kern: BUG: no assembly in this build") }
