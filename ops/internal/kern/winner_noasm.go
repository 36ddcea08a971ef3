//go:build !amd64 || purego

package kern

func winnerRun(add bool, t *winnerArgs) { panic("kern: BUG: no assembly in this build") }
