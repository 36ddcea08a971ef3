package kern

import "math"

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

// winoInputGeneric is the definition of the input transform of one tile: channel by channel, rows then columns.
func winoInputGeneric(m int, in []float32, offs []int32, v []float32, stride, channels int) {
	n := m + 2
	for c := range channels {
		var d [36]float32
		for i, o := range offs {
			if o >= 0 {
				d[i] = in[int(o)+c]
			}
		}
		for i := range n {
			winoBT(m, d[i*n:], 1)
		}
		for j := range n {
			winoBT(m, d[j:], n)
			for i := range n {
				v[(j*n+i)*stride+c] = d[i*n+j]
			}
		}
	}
}

// winoBT multiplies m+2 elements, s apart, by Bᵀ in place.
func winoBT(m int, d []float32, s int) {
	if m == 2 {
		d0, d1, d2, d3 := d[0], d[s], d[2*s], d[3*s]
		d[0], d[s], d[2*s], d[3*s] = d0-d2, d1+d2, d2-d1, d1-d3
		return
	}
	d0, d1, d2, d3, d4, d5 := d[0], d[s], d[2*s], d[3*s], d[4*s], d[5*s]
	d[0] = 4*d0 - 5*d2 + d4
	d[s] = (d4 - 4*d2) + (d3 - 4*d1)
	d[2*s] = (d4 - 4*d2) - (d3 - 4*d1)
	d[3*s] = (d4 - d2) + 2*(d3-d1)
	d[4*s] = (d4 - d2) - 2*(d3-d1)
	d[5*s] = 4*d1 - 5*d3 + d5
}

// outputGeneric is the definition of the output transform of one tile.
func (w *WinogradF32) outputGeneric(a *WinogradArgs, out, res []float32, offs, resOffs *[16]int32, from []float32, channels int) {
	n, stride := w.M+2, w.stride(w.OC)
	for c := range channels {
		var d [36]float32
		for i := range n {
			for j := range n {
				d[i*n+j] = from[(j*n+i)*stride+c]
			}
		}
		for j := range n {
			winoAT(w.M, d[j:], n)
		}
		for i := range w.M {
			winoAT(w.M, d[i*n:], 1)
			for j := range w.M {
				o := offs[i*w.M+j]
				if o < 0 {
					continue
				}
				v := d[i*n+j]
				if res != nil {
					v += res[int(resOffs[i*w.M+j])+c]
				}
				out[int(o)+c] = clampF32(v, a.Min, a.Max)
			}
		}
	}
}

// winoAT multiplies m+2 elements, s apart, by Aᵀ; the m results stand first.
func winoAT(m int, d []float32, s int) {
	if m == 2 {
		m0, m1, m2, m3 := d[0], d[s], d[2*s], d[3*s]
		d[0], d[s] = m0+m1+m2, m1-m2-m3
		return
	}
	m0, m1, m2, m3, m4, m5 := d[0], d[s], d[2*s], d[3*s], d[4*s], d[5*s]
	d[0] = m0 + (m1 + m2) + (m3 + m4)
	d[s] = (m1 - m2) + 2*(m3-m4)
	d[2*s] = (m1 + m2) + 4*(m3+m4)
	d[3*s] = (m1 - m2) + 8*(m3-m4) + m5
}
