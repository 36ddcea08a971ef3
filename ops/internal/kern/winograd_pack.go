package kern

// packChannels is how many input channels of a panel are transformed at once: their nine taps stay in the second-level
// cache.
const packChannels = 64

// PackScratch is how many floats Pack needs.
func (w *WinogradF32) PackScratch() int {
	if w.Pairs != nil {
		return w.planes() * w.IC * w.Gemm.NR
	}
	return 9 * packChannels * w.Gemm.NR
}

// Pack transforms the weights of n output channels from n0, [n][3][3][IC], and packs them into dst: (M+2)² planes, each as
// the product wants it. n0 is a multiple of the product's NR, and n is NR unless they are the last. Ranges may be packed at
// the same time. tmp is scratch of PackScratch floats.
func (w *WinogradF32) Pack(dst, weights []float32, n0, n int, tmp []float32) {
	if w.Fly {
		w.packFly(dst, weights, n0, n)
		return
	}
	if w.Pairs != nil {
		w.packPairs(dst, weights, n0, n, tmp)
		return
	}
	size := w.Gemm.PackedSize(w.OC, w.IC)
	width := min(w.Gemm.NR, w.Gemm.packedColumns(w.OC)-n0)
	dst = dst[:w.planes()*size][n0*w.IC:]
	for c := 0; c < w.IC; c += packChannels {
		rows := min(packChannels, w.IC-c)
		taps := tmp[:9*rows*width]
		if n < width {
			clear(taps)
		}
		for t := range 9 {
			packColumns(taps[t*rows*width:(t+1)*rows*width], weights[t*w.IC+c:], width, n, rows, 9*w.IC)
		}
		winoWeights(w.M, dst[c*width:], taps, size)
	}
}

// packPairs transforms a column at a time, for a pair's scale is of a whole column.
func (w *WinogradF32) packPairs(dst, weights []float32, n0, n int, tmp []float32) {
	for j := range n {
		winoWeights(w.M, tmp[j*w.IC:w.planes()*n*w.IC], weights[j*9*w.IC:][:9*w.IC], n*w.IC)
	}
	size, width := w.planeSize(), min(pairNR, packedColumns(w.OC, pairNR, pairNR/2)-n0)
	for p := range w.planes() {
		w.Pairs.packPanel(dst[p*size : (p+1)*size][n0*w.Pairs.perColumn():], tmp[p*n*w.IC:], width, n, w.IC)
	}
}

// winoPack is what the transform of weights is handed; assembly knows the offsets (see TestWinogradLayout).
type winoPack struct {
	dst, src *float32
	plane    int // bytes from one plane of dst to the next
	tap      int // bytes from one tap of src to the next
	n        int // vectors
}

// winoWeights computes U = G g Gᵀ, elements [9][n] of src to planes of dst, size apart. Plane j·(m+2)+i holds element (i, j).
func winoWeights(m int, dst, src []float32, size int) {
	n, done := len(src)/9, 0
	lanes := 8
	if useWinoAVX512 {
		lanes = 16
	}
	if (useWinoAVX512 || useWinoAVX2) && n >= lanes {
		done = n / lanes * lanes
		_ = dst[((m+2)*(m+2)-1)*size+done-1]
		winoWeightsAsm(m, &winoPack{&dst[0], &src[0], 4 * size, 4 * n, n / lanes})
	}
	for c := done; c < n; c++ {
		winoWeightsGeneric(m, dst[c:], src[c:], size, n)
	}
}

// winoWeightsGeneric is the definition of the transform of one channel pair: columns, then rows.
func winoWeightsGeneric(m int, dst, src []float32, size, tap int) {
	var h [6][3]float32
	for x := range 3 {
		g := winoG(m, src[x*tap], src[(3+x)*tap], src[(6+x)*tap])
		for i := range m + 2 {
			h[i][x] = g[i]
		}
	}
	for i := range m + 2 {
		g := winoG(m, h[i][0], h[i][1], h[i][2])
		for j := range m + 2 {
			dst[(j*(m+2)+i)*size] = g[j]
		}
	}
}

// winoG is G times (a, b, c), each operation rounded by itself.
func winoG(m int, a, b, c float32) (g [6]float32) {
	if m == 2 {
		s, d := float32((a+c)*.5), float32(b*.5)
		return [6]float32{a, s + d, s - d, c}
	}
	const sixth, twelfth, twentyFourth = float32(1) / 6, float32(1) / 12, float32(1) / 24
	s := a + c
	t, u := float32(a*twentyFourth)+float32(c*sixth), float32(b*twelfth)
	return [6]float32{a * .25, (s + b) * -sixth, (s - b) * -sixth, t + u, t - u, c}
}
