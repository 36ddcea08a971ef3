//go:build (!amd64 && !arm64) || purego

package kern

func tileTNRun(t *tileTN, mr int, narrow bool) { panic("kern: BUG: no assembly in this build") }
