//go:build !amd64 || purego

package kern

func fmaLoop(n int) int { return fmaLoopGeneric(n) }

func halfRate512() bool { return false }
