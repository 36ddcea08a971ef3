//go:build (!amd64 && !arm64) || purego

package kern

func lookupRun(*lookupArgs) { panic("kern: BUG: no assembly here") }
