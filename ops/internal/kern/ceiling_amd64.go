//go:build !purego

package kern

// fmaLoop runs n rounds and returns the operations done.
func fmaLoop(n int) int {
	switch {
	case useGemmAVX512:
		fmaLoopAVX512(&n)
		return n * 24 * 16 * 2
	case useGemmAVX2:
		fmaLoopAVX2(&n)
		return n * 24 * 8 * 2
	}
	return fmaLoopGeneric(n)
}

// Loops of 24 multiply-adds a round; see FMACeiling.
//
//go:noescape
func fmaLoopAVX512(t *int)

//go:noescape
func fmaLoopAVX2(t *int)
