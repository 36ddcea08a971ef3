package kern

// runGeneric is Run in plain Go: the same sums in the same order, whose steps may round differently.
func (p *PairF32) runGeneric(a *GemmF32Args, m0, m1, n0, n1 int) {
	k := p.taps * 3 * p.n
	row := make([]float32, k) // [taps][n][x1, x2, d]
	for m := m0; m < m1; m++ {
		start, back := p.genericRow(a, row, m)
		for j := n0; j < n1; j++ {
			at := j / pairNR * pairNR
			width := min(pairNR, packedColumns(a.N, pairNR, pairNR/2)-at)
			col := a.B[at*p.perColumn()+j-at:]
			sum := start + col[0]
			for i := 0; i < k; i += 3 {
				s := col[(2+i)*width:]
				sum += row[i+2] * s[2*width]
				sum += (row[i] + s[0]) * (row[i+1] + s[width])
			}
			sum *= col[width] * back
			if a.Bias != nil {
				sum += a.Bias[j]
			}
			if a.Res != nil {
				sum += a.Res[m*a.LDR+j]
			}
			if sum < a.Min {
				sum = a.Min
			}
			if sum > a.Max {
				sum = a.Max
			}
			a.C[m*a.LDC+j] = sum
		}
	}
}

// genericRow brings row m into form.
func (p *PairF32) genericRow(a *GemmF32Args, row []float32, m int) (start, back float32) {
	most := float32(0)
	for t := range p.taps {
		for _, v := range p.tap(a, m, t) {
			most = max(most, v, -v)
		}
	}
	up, back := pairScale(most)
	for t := range p.taps {
		x := p.tap(a, m, t)
		for i := range p.n {
			to := row[3*(t*p.n+i):][:3]
			to[0], to[1], to[2] = up*x[i], 0, 0
			if i&1 != 0 {
				to[0] = -to[0]
			}
			if i+p.n < len(x) {
				to[1] = up * x[i+p.n]
			}
			if i+2*p.n < len(x) {
				to[2] = up * x[i+2*p.n]
			}
			start -= to[0] * to[1]
		}
	}
	return start, back
}

// tap is the elements that row m sees through tap t.
func (p *PairF32) tap(a *GemmF32Args, m, t int) []float32 {
	if a.Rows == nil {
		return a.A[m*a.LDA:][:p.kc]
	}
	if o := a.Rows[(m/pairMR*p.taps+t)*pairMR+m%pairMR]; o >= 0 {
		return a.A[o:][:p.kc]
	}
	return zeroRow[:p.kc]
}
