package kern

import "math"

// runGeneric is the portable form: tiles of four rows by four columns, of two rows at a time.
func (a *GemmI8Args) runGeneric(m0, m1, n0, n1 int) {
	bias, depth := a.bias(), a.Taps*a.KC
	var flip byte
	if a.ASigned {
		flip = 0x80
	}
	for m := m0; m < m1; m += 4 {
		rows := min(4, m1-m)
		var sums [4]int32 // of rows
		if a.Cols.zero != nil {
			for i := range rows {
				for t := range a.Taps {
					for _, v := range a.row(4, m, t, i) {
						sums[i] += int32(v ^ flip)
					}
				}
			}
		}
		for n := n0; n < n1; n += 4 {
			var acc [16]int32
			panel := a.B[n*depth : (n+4)*depth]
			for t := range a.Taps {
				tap := panel[4*t*a.KC : 4*(t+1)*a.KC]
				for i := 0; i < rows; i += 2 {
					dotI8((*[8]int32)(acc[4*i:]), a.row(4, m, t, i), a.row(4, m, t, min(i+1, rows-1)), tap, flip)
				}
			}
			for i := range rows {
				for j := range min(4, n1-n) {
					s := acc[4*i+j] + bias[n+j]
					if a.Cols.zero != nil {
						s -= a.Cols.zero[n+j] * sums[i]
					}
					a.C[(m+i)*a.LDC+n+j] = requantI8(s, a.Cols.scale[n+j], a.CZero, a.Lo, a.Hi)
				}
			}
		}
	}
}

// dotI8 adds two rows times a panel of four columns to acc, row-major. A multiplication of 64 bits serves two columns: the sign
// of the lower one's sum is taken off the upper one's, and is put right at the end.
func dotI8(acc *[8]int32, r0, r1, panel []byte, flip byte) {
	if math.MaxInt == math.MaxInt32 {
		dotRowI8((*[4]int32)(acc[:]), r0, panel, flip)
		dotRowI8((*[4]int32)(acc[4:]), r1, panel, flip)
		return
	}
	var s0, s1, s2, s3 int64
	r1 = r1[:len(r0)]
	for k, v := range r0 {
		if len(panel) < 4 {
			break
		}
		b := int64(int8(panel[0])) + int64(int8(panel[1]))<<32
		c := int64(int8(panel[2])) + int64(int8(panel[3]))<<32
		panel = panel[4:]
		x, y := int64(v^flip), int64(r1[k]^flip)
		s0 += x * b
		s1 += x * c
		s2 += y * b
		s3 += y * c
	}
	for i, v := range [4]int64{s0, s1, s2, s3} {
		acc[2*i] += int32(v)
		acc[2*i+1] += int32((v - int64(int32(v))) >> 32)
	}
}

// dotRowI8 adds one row times a panel, for registers of 32 bits.
func dotRowI8(acc *[4]int32, row, panel []byte, flip byte) {
	c0, c1, c2, c3 := acc[0], acc[1], acc[2], acc[3]
	for _, v := range row {
		if len(panel) < 4 {
			break
		}
		x := int32(v ^ flip)
		c0 += x * int32(int8(panel[0]))
		c1 += x * int32(int8(panel[1]))
		c2 += x * int32(int8(panel[2]))
		c3 += x * int32(int8(panel[3]))
		panel = panel[4:]
	}
	*acc = [4]int32{c0, c1, c2, c3}
}
