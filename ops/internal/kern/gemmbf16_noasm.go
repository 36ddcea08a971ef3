//go:build !amd64 || purego

package kern

func convertBF16(dst []uint16, src []float32) { panic("kern: BUG: no assembly in this build") }

func tileBF16(t *tileF32, mr int, half bool) { panic("kern: BUG: no assembly in this build") }
