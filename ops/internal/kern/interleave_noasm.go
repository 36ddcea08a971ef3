//go:build (!amd64 && !arm64) || purego

package kern

func interleaveRun(*interleaveArgs) { panic("kern: BUG: no assembly here") }
