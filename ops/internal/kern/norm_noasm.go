//go:build !amd64 || purego

package kern

func normRun(op normOp, t *normArgs) { panic("kern: BUG: no assembly in this build") }
