//go:build !purego

package kern

func dwAny(t *dwTile) { dwF32anyNEON(t) }

func dwPairs(t *dwTile, n int) { panic("kern: BUG: NEON has no kernel for pairs of rows") }

func dwSeven(t *dwTile) { panic("kern: BUG: NEON has no kernel 7 wide") }

func dwDown(t *dwTile, s, n int) { panic("kern: BUG: NEON has no kernel down the rows") }

// dwShared runs tiles of n neighbouring outputs for a kernel kw wide at stride s.
func dwShared(t *dwTile, kw, s, n int) {
	switch (kw-3)*4 + (s-1)*4 + n {
	case 4:
		dwF32w3s1x4NEON(t)
	case 3:
		dwF32w3s1x3NEON(t)
	case 2:
		dwF32w3s1x2NEON(t)
	case 1:
		dwF32w3s1x1NEON(t)
	case 8:
		dwF32w3s2x4NEON(t)
	case 7:
		dwF32w3s2x3NEON(t)
	case 6:
		dwF32w3s2x2NEON(t)
	case 5:
		dwF32w3s2x1NEON(t)
	case 12:
		dwF32w5s1x4NEON(t)
	case 11:
		dwF32w5s1x3NEON(t)
	case 10:
		dwF32w5s1x2NEON(t)
	case 9:
		dwF32w5s1x1NEON(t)
	case 16:
		dwF32w5s2x4NEON(t)
	case 15:
		dwF32w5s2x3NEON(t)
	case 14:
		dwF32w5s2x2NEON(t)
	case 13:
		dwF32w5s2x1NEON(t)
	}
}

func poolTile(t *dwTile, sum bool) {
	if sum {
		poolSumF32NEON(t)
	} else {
		poolMaxF32NEON(t)
	}
}

// Depthwise kernels: kernel width, stride, outputs a tile; see DWF32Args.runGeneric for what they compute.

//go:noescape
func dwF32w3s1x4NEON(t *dwTile)

//go:noescape
func dwF32w3s1x3NEON(t *dwTile)

//go:noescape
func dwF32w3s1x2NEON(t *dwTile)

//go:noescape
func dwF32w3s1x1NEON(t *dwTile)

//go:noescape
func dwF32w3s2x4NEON(t *dwTile)

//go:noescape
func dwF32w3s2x3NEON(t *dwTile)

//go:noescape
func dwF32w3s2x2NEON(t *dwTile)

//go:noescape
func dwF32w3s2x1NEON(t *dwTile)

//go:noescape
func dwF32w5s1x4NEON(t *dwTile)

//go:noescape
func dwF32w5s1x3NEON(t *dwTile)

//go:noescape
func dwF32w5s1x2NEON(t *dwTile)

//go:noescape
func dwF32w5s1x1NEON(t *dwTile)

//go:noescape
func dwF32w5s2x4NEON(t *dwTile)

//go:noescape
func dwF32w5s2x3NEON(t *dwTile)

//go:noescape
func dwF32w5s2x2NEON(t *dwTile)

//go:noescape
func dwF32w5s2x1NEON(t *dwTile)

//go:noescape
func dwF32anyNEON(t *dwTile)

// Pooling kernels; see PoolF32Args.pixel for what they compute.

//go:noescape
func poolMaxF32NEON(t *dwTile)

//go:noescape
func poolSumF32NEON(t *dwTile)
