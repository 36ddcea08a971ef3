package kern

import "runtime"

// fewRegisters says that a processor, or Go's compiler for it, has too few registers for floats to hold 16 sums beside what
// they are made of.
const fewRegisters = runtime.GOARCH == "amd64" || runtime.GOARCH == "386" || runtime.GOARCH == "arm" || runtime.GOARCH == "wasm"

// runGeneric is the portable form: 4x4 tiles over panels of four columns, of two rows at a time where registers are few.
func (a *GemmF32Args) runGeneric(m0, m1, n0, n1 int) {
	k := a.Taps * a.KC
	for m := m0; m < m1; m += 4 {
		for n := n0; n < n1; n += 4 {
			var acc [16]float32
			if a.Bias != nil {
				for j := range min(4, n1-n) {
					b := a.Bias[n+j]
					acc[j], acc[4+j], acc[8+j], acc[12+j] = b, b, b, b
				}
			}
			panel := a.B[n*k : n*k+4*k]
			rows := min(4, m1-m)
			for t := range a.Taps {
				tap := panel[4*t*a.KC : 4*(t+1)*a.KC]
				if !fewRegisters && rows > 2 {
					dot4x4(&acc, a.row(m, t, 0), a.row(m, t, 1), a.row(m, t, 2), a.row(m, t, rows-1), tap)
					continue
				}
				for i := 0; i < rows; i += 2 {
					dot2x4((*[8]float32)(acc[4*i:]), a.row(m, t, i), a.row(m, t, min(i+1, rows-1)), tap)
				}
			}
			for i := range rows {
				a.finish(acc[4*i:4*i+4], m+i, n, min(4, n1-n))
			}
		}
	}
}

// row returns the KC floats that row m+i sees through tap t; m is the first row of a tile of four.
func (a *GemmF32Args) row(m, t, i int) []float32 {
	if a.Rows == nil {
		return a.A[(m+i)*a.LDA:][:a.KC]
	}
	if o := a.Rows[m*a.Taps+4*t+i]; o >= 0 {
		return a.A[o:][:a.KC]
	}
	return zeroRow[:a.KC]
}

// finish adds the residual, clamps and stores n columns of a row.
func (a *GemmF32Args) finish(acc []float32, m, n, cols int) {
	out := a.C[m*a.LDC+n:][:cols]
	for j := range out {
		v := acc[j]
		if a.Res != nil {
			v += a.Res[m*a.LDR+n+j]
		}
		if v < a.Min {
			v = a.Min
		}
		if v > a.Max {
			v = a.Max
		}
		out[j] = v
	}
}

// dot4x4 adds four rows times a panel of four columns to acc, row-major.
func dot4x4(acc *[16]float32, r0, r1, r2, r3, panel []float32) {
	c00, c01, c02, c03 := acc[0], acc[1], acc[2], acc[3]
	c10, c11, c12, c13 := acc[4], acc[5], acc[6], acc[7]
	c20, c21, c22, c23 := acc[8], acc[9], acc[10], acc[11]
	c30, c31, c32, c33 := acc[12], acc[13], acc[14], acc[15]
	n := len(r0)
	r1, r2, r3 = r1[:n], r2[:n], r3[:n]
	for k, a0 := range r0 {
		if len(panel) < 4 {
			break
		}
		b0, b1, b2, b3 := panel[0], panel[1], panel[2], panel[3]
		panel = panel[4:]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		a1 := r1[k]
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		a2 := r2[k]
		c20 += a2 * b0
		c21 += a2 * b1
		c22 += a2 * b2
		c23 += a2 * b3
		a3 := r3[k]
		c30 += a3 * b0
		c31 += a3 * b1
		c32 += a3 * b2
		c33 += a3 * b3
	}
	*acc = [16]float32{c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33}
}

// dot2x4 is dot4x4 for two rows.
func dot2x4(acc *[8]float32, r0, r1, panel []float32) {
	c00, c01, c02, c03 := acc[0], acc[1], acc[2], acc[3]
	c10, c11, c12, c13 := acc[4], acc[5], acc[6], acc[7]
	r1 = r1[:len(r0)]
	for k, a0 := range r0 {
		if len(panel) < 4 {
			break
		}
		b0, b1, b2, b3 := panel[0], panel[1], panel[2], panel[3]
		panel = panel[4:]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		a1 := r1[k]
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
	}
	*acc = [8]float32{c00, c01, c02, c03, c10, c11, c12, c13}
}
