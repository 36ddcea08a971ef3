//go:build !purego

package kern

func dwAny(t *dwTile) {
	if useDWAVX512 {
		dwF32anyAVX512(t)
	} else {
		dwF32anyAVX2(t)
	}
}

// dwPairs runs tiles of n neighbouring outputs in two rows, for 3x3 kernels at stride 1.
func dwPairs(t *dwTile, n int) {
	switch n {
	case 4:
		dwF32w3s1x4x2AVX512(t)
	case 3:
		dwF32w3s1x3x2AVX512(t)
	case 2:
		dwF32w3s1x2x2AVX512(t)
	case 1:
		dwF32w3s1x1x2AVX512(t)
	}
}

//go:noescape
func dwF32w3s1x4x2AVX512(t *dwTile)

//go:noescape
func dwF32w3s1x3x2AVX512(t *dwTile)

//go:noescape
func dwF32w3s1x2x2AVX512(t *dwTile)

//go:noescape
func dwF32w3s1x1x2AVX512(t *dwTile)

// dwShared runs tiles of n neighbouring outputs for a kernel kw wide at stride s.
func dwShared(t *dwTile, kw, s, n int) {
	which := (kw-3)*4 + (s-1)*4 + n
	if useDWAVX512 {
		switch which {
		case 4:
			dwF32w3s1x4AVX512(t)
		case 3:
			dwF32w3s1x3AVX512(t)
		case 2:
			dwF32w3s1x2AVX512(t)
		case 1:
			dwF32w3s1x1AVX512(t)
		case 8:
			dwF32w3s2x4AVX512(t)
		case 7:
			dwF32w3s2x3AVX512(t)
		case 6:
			dwF32w3s2x2AVX512(t)
		case 5:
			dwF32w3s2x1AVX512(t)
		case 12:
			dwF32w5s1x4AVX512(t)
		case 11:
			dwF32w5s1x3AVX512(t)
		case 10:
			dwF32w5s1x2AVX512(t)
		case 9:
			dwF32w5s1x1AVX512(t)
		case 16:
			dwF32w5s2x4AVX512(t)
		case 15:
			dwF32w5s2x3AVX512(t)
		case 14:
			dwF32w5s2x2AVX512(t)
		case 13:
			dwF32w5s2x1AVX512(t)
		}
		return
	}
	switch which {
	case 12:
		dwF32w5s1x4AVX2(t)
	case 11:
		dwF32w5s1x3AVX2(t)
	case 10:
		dwF32w5s1x2AVX2(t)
	case 9:
		dwF32w5s1x1AVX2(t)
	case 16:
		dwF32w5s2x4AVX2(t)
	case 15:
		dwF32w5s2x3AVX2(t)
	case 14:
		dwF32w5s2x2AVX2(t)
	case 13:
		dwF32w5s2x1AVX2(t)
	}
}

// Depthwise kernels: kernel width, stride, outputs a tile; see DWF32Args.runGeneric for what they compute.

//go:noescape
func dwF32w3s1x4AVX512(t *dwTile)

//go:noescape
func dwF32w3s1x3AVX512(t *dwTile)

//go:noescape
func dwF32w3s1x2AVX512(t *dwTile)

//go:noescape
func dwF32w3s1x1AVX512(t *dwTile)

//go:noescape
func dwF32w3s2x4AVX512(t *dwTile)

//go:noescape
func dwF32w3s2x3AVX512(t *dwTile)

//go:noescape
func dwF32w3s2x2AVX512(t *dwTile)

//go:noescape
func dwF32w3s2x1AVX512(t *dwTile)

//go:noescape
func dwF32w5s1x4AVX512(t *dwTile)

//go:noescape
func dwF32w5s1x3AVX512(t *dwTile)

//go:noescape
func dwF32w5s1x2AVX512(t *dwTile)

//go:noescape
func dwF32w5s1x1AVX512(t *dwTile)

//go:noescape
func dwF32w5s2x4AVX512(t *dwTile)

//go:noescape
func dwF32w5s2x3AVX512(t *dwTile)

//go:noescape
func dwF32w5s2x2AVX512(t *dwTile)

//go:noescape
func dwF32w5s2x1AVX512(t *dwTile)

// dwDown runs tiles of n neighbouring outputs for 3x3 kernels at stride s, down the rows.
func dwDown(t *dwTile, s, n int) {
	switch {
	case s == 2:
		dwF32down2x3AVX2(t)
	case n == 3:
		dwF32down1x3AVX2(t)
	default:
		dwF32roll1x2AVX2(t)
	}
}

//go:noescape
func dwF32roll1x2AVX2(t *dwTile)

//go:noescape
func dwF32down1x3AVX2(t *dwTile)

//go:noescape
func dwF32down2x3AVX2(t *dwTile)

// dwSeven runs tiles of sevenOuts neighbouring outputs, with AVX-512 in two rows, for a kernel 7 wide at stride 1.
func dwSeven(t *dwTile) {
	if useDWAVX512 {
		dwF32w7s1AVX512(t)
	} else {
		dwF32w7s1AVX2(t)
	}
}

//go:noescape
func dwF32w7s1AVX512(t *dwTile)

//go:noescape
func dwF32w7s1AVX2(t *dwTile)

//go:noescape
func dwF32anyAVX512(t *dwTile)

//go:noescape
func dwF32w5s1x4AVX2(t *dwTile)

//go:noescape
func dwF32w5s1x3AVX2(t *dwTile)

//go:noescape
func dwF32w5s1x2AVX2(t *dwTile)

//go:noescape
func dwF32w5s1x1AVX2(t *dwTile)

//go:noescape
func dwF32w5s2x4AVX2(t *dwTile)

//go:noescape
func dwF32w5s2x3AVX2(t *dwTile)

//go:noescape
func dwF32w5s2x2AVX2(t *dwTile)

//go:noescape
func dwF32w5s2x1AVX2(t *dwTile)

//go:noescape
func dwF32anyAVX2(t *dwTile)

func poolTile(t *dwTile, sum bool) {
	switch {
	case useDWAVX512 && sum:
		poolSumF32AVX512(t)
	case useDWAVX512:
		poolMaxF32AVX512(t)
	case sum:
		poolSumF32AVX2(t)
	default:
		poolMaxF32AVX2(t)
	}
}

// Pooling kernels; see PoolF32Args.pixel for what they compute.

//go:noescape
func poolMaxF32AVX512(t *dwTile)

//go:noescape
func poolSumF32AVX512(t *dwTile)

//go:noescape
func poolMaxF32AVX2(t *dwTile)

//go:noescape
func poolSumF32AVX2(t *dwTile)
