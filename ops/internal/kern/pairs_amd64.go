//go:build !purego

package kern

func (r *pairRows) run() { pairRowsF32AVX512(r) }

func (t *pairTile) run() {
	if t.n <= pairNR/2 {
		pairsF32x12x16AVX512(t)
		return
	}
	pairsF32x12x32AVX512(t)
}

// pairRowsF32AVX512 computes pairRows.generic.
//
//go:noescape
func pairRowsF32AVX512(t *pairRows)

// Tile kernels; see pairTile.generic for what they compute.

//go:noescape
func pairsF32x12x32AVX512(t *pairTile)

//go:noescape
func pairsF32x12x16AVX512(t *pairTile)
