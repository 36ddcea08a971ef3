//go:build !purego

package kern

// vecI8Run runs one loop over whole vectors.
func vecI8Run(op vecI8Op, t *vecI8Args) {
	switch op {
	case vecAddI8:
		vecAddI8NEON(t)
	case vecMulI8:
		vecMulI8NEON(t)
	case vecQuantize:
		vecQuantizeNEON(t)
	case vecDequantize:
		vecDequantizeNEON(t)
	case vecAccI8:
		vecAccI8NEON(t)
	case vecRequantI8:
		vecRequantI8NEON(t)
	}
}

// The loops; AddI8 and its neighbours say what each computes.

//go:noescape
func vecAddI8NEON(t *vecI8Args)

//go:noescape
func vecMulI8NEON(t *vecI8Args)

//go:noescape
func vecQuantizeNEON(t *vecI8Args)

//go:noescape
func vecDequantizeNEON(t *vecI8Args)

//go:noescape
func vecAccI8NEON(t *vecI8Args)

//go:noescape
func vecRequantI8NEON(t *vecI8Args)
