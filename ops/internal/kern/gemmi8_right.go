package kern

// AnyColumns is what the columns of a right side meet that is known at run time alone: n of them, of weights with one zero
// point and one scale. Biases are PackRight's, for GemmI8Args.Bias.
func (g *GemmI8) AnyColumns(n int, signed bool, zero int32, scale float32) *GemmI8Columns {
	cols := packedColumns(n, g.NR, g.Half)
	c := &GemmI8Columns{bias: make([]int32, cols), scale: make([]float32, cols), wild: true}
	fill(c.scale[:n], scale)
	if !signed {
		zero -= 128
	}
	if zero != 0 {
		c.zero = make([]int32, cols)
		fill(c.zero[:n], zero)
	}
	return c
}

// BiasSize is the number of biases that n columns have.
func (g *GemmI8) BiasSize(n int) int { return packedColumns(n, g.NR, g.Half) }

// PackRight is Pack for one right side of bytes, [k][n] or, transposed, [n][k], with one zero point; bias, of BiasSize,
// gets what its columns' sums start at. az is the zero point of A as it is stored and aSigned whether it is int8.
func (g *GemmI8) PackRight(dst []byte, bias []int32, w []byte, n, k int, transposed, signed bool, zero, az int32, aSigned bool) {
	clear(bias)
	if transposed {
		g.Pack(dst, w, n, 1, k, k, signed, []int32{zero})
		for j := range n {
			sum, _ := sumsI8(w[j*k:][:k], signed)
			if !signed {
				sum += 128 * int64(k)
			}
			bias[j] = int32(sum) - int32(k)*zero
		}
	} else {
		g.packKN(dst, w, n, k, signed, zero)
		for p := range k {
			AccumulateI8(bias[:n], w[p*n:][:n], signed, zero)
		}
	}
	az = g.inside(az, aSigned)
	for j := range bias {
		bias[j] *= -az
	}
}

// inside is the zero point of A as the kernels see A's bytes.
func (g *GemmI8) inside(az int32, aSigned bool) int32 {
	switch {
	case aSigned && !g.signed:
		return az + 128
	case !aSigned && g.signed:
		return az - 128
	}
	return az
}

// packKN is Pack for a right side [k][n].
func (g *GemmI8) packKN(dst, w []byte, n, k int, signed bool, zero int32) {
	dst = dst[:g.PackedSize(n, 1, k)]
	columns := packedColumns(n, g.NR, g.Half)
	if columns != n || g.depth(k) != k {
		clear(dst)
	}
	flip := byte(0x80)
	if signed {
		flip = 0
	}
	for j := 0; j < n; j += g.NR {
		width := min(g.NR, columns-j)
		panel := dst[g.panelBytes(1, k, j):]
		for p := range k {
			at, row := g.place(p, 0, width), w[p*n+j:][:min(width, n-j)]
			to := panel[at:]
			for i, v := range row {
				to[i*g.lane()] = v ^ flip
			}
		}
	}
}
