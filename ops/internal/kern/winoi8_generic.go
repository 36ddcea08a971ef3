package kern

// winoInputI8Generic is the definition of the input transform of one tile: channel by channel, rows then columns.
func winoInputI8Generic(in []byte, offs []int32, zero []byte, v []int16, stride, channels int, signed bool) {
	for c := range channels {
		var d [winoI8Planes]int16
		for i, o := range offs {
			x := zero[c]
			if o >= 0 {
				x = in[int(o)+c]
			}
			if d[i] = int16(x); signed {
				d[i] = int16(int8(x))
			}
		}
		for i := range 6 {
			winoI8BT(d[6*i:], 1)
		}
		for j := range 6 {
			winoI8BT(d[j:], 6)
			for i := range 6 {
				v[(j*6+i)*stride+c] = d[6*i+j]
			}
		}
	}
}

// winoI8BT multiplies six elements, s apart, by Bᵀ in place.
func winoI8BT(d []int16, s int) {
	d0, d1, d2, d3, d4, d5 := d[0], d[s], d[2*s], d[3*s], d[4*s], d[5*s]
	d[0] = 4*d0 - 5*d2 + d4
	d[s] = (d4 - 4*d2) + (d3 - 4*d1)
	d[2*s] = (d4 - 4*d2) - (d3 - 4*d1)
	d[3*s] = (d4 - d2) + 2*(d3-d1)
	d[4*s] = (d4 - d2) - 2*(d3-d1)
	d[5*s] = 4*d1 - 5*d3 + d5
}

// gemmI16Generic is the definition of the product: rows of a, lda apart, by a panel [pairs][columns][2].
func gemmI16Generic(a []int16, lda int, b []int16, c []int32, rows, pairs, columns int) {
	for m := range rows {
		for n := range columns {
			var sum int32
			for k := range pairs {
				x, y := a[m*lda+2*k:][:2], b[2*(columns*k+n):][:2]
				sum += int32(x[0])*int32(y[0]) + int32(x[1])*int32(y[1])
			}
			c[columns*m+n] = sum
		}
	}
}

// winoI8Shift is how often 2 is in what outputs of a row, or a column, are too large by.
var winoI8Shift = [4]int{3, 2, 1, 1}

// outputGeneric is the definition of the output transform of a panel's part of one tile. n is its first channel.
func (w *WinogradI8) outputGeneric(a *WinogradI8Args, out []byte, offs []int32, from []int32, n int) {
	stride := w.strideM()
	for c := range w.panel {
		var d [winoI8Planes]int32
		for i := range 6 {
			for j := range 6 {
				d[6*i+j] = from[(j*6+i)*stride+c]
			}
		}
		d[7] += a.Cols.bias[n+c]
		for j := range 6 {
			winoI8AT(d[j:], 6)
		}
		for i := range 4 {
			winoI8AT(d[6*i:], 1)
			for j := range 4 {
				if o := offs[4*i+j]; o >= 0 {
					sum := d[6*i+j] * winoI8Inv9 >> (winoI8Shift[i] + winoI8Shift[j])
					out[int(o)+c] = requantI8(sum, a.Cols.scale[n+c], a.CZero, a.Lo, a.Hi)
				}
			}
		}
	}
}

// winoI8AT multiplies six elements, s apart, by A'; the four results stand first.
func winoI8AT(d []int32, s int) {
	m0, m1, m2, m3, m4, m5 := d[0], d[s], d[2*s], d[3*s], d[4*s], d[5*s]
	d[0] = m0 + 4*(m1+m2) + (m3 + m4)
	d[s] = 2*(m1-m2) + (m3 - m4)
	d[2*s] = (m1 + m2) + (m3 + m4)
	d[3*s] = (m1 - m2) + 2*(m3-m4) + m5
}
