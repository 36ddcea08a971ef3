package kern

// Aᵀ·B with nothing packed: the gradient of weights, where A is the gradient of the output and B the input,
//
//	C[m][n] (+)= Σ_k A[k·LDA + m] · B[row(k) + n]      m < M, n < N, k < K
//
// row(k) is k·LDB or, for a convolution's tap, an offset from a table, negative where the tap lies in the padding. Each sum
// runs over k in order by fused multiply-adds (the portable path may round products separately), so neither the
// range nor the number of threads changes a bit. Long K is best cut into chunks whose rows of A and B fit the
// second-level cache, accumulating. The "gemm/..." switches govern it.

// GemmTNArgs is one product. Run reads it only, so that workers may share it.
type GemmTNArgs struct {
	A          []float32
	LDA        int
	B          []float32
	LDB        int     // with Rows nil
	Rows       []int32 // K offsets into B, or nil
	K, M, N    int
	C          []float32
	LDC        int
	Accumulate bool // add to C rather than replace it
}

// tileTN is what a kernel is handed; assembly knows the offsets (see TestTNLayout).
type tileTN struct {
	a          *float32
	lda        int // bytes
	b          *float32
	rows       *int32
	ldb        int // bytes
	k          int
	c          *float32
	ldc        int // bytes
	n          int // columns that exist
	accumulate int
}

// Run computes rows m0 to m1 and columns n0 to n1 of C. Any cut will do; multiples of 12 and 32 are fastest.
func (a *GemmTNArgs) Run(m0, m1, n0, n1 int) {
	if m0 >= m1 || n0 >= n1 {
		return
	}
	switch {
	case m0 < 0 || n0 < 0 || m1 > a.M || n1 > a.N || a.K < 0 || a.LDA < 0 || a.LDB < 0,
		a.K > 0 && len(a.A) < (a.K-1)*a.LDA+m1,
		a.Rows == nil && a.K > 0 && len(a.B) < (a.K-1)*a.LDB+n1,
		a.Rows != nil && (len(a.Rows) < a.K || len(a.B) < n1),
		len(a.C) < (m1-1)*a.LDC+n1:
		panic("kern: BUG: transposed product: range or slice does not match the sizes")
	}
	mr, lanes, vectors := 6, 8, 2 // rows of a tile, and its columns
	switch {
	case a.K == 0:
		mr = 0
	case useGemmAVX512:
		mr, lanes = 12, 16
	case useGemmAVX2:
	case useGemmNEON:
		mr, vectors = 8, 1
	default:
		mr = 0
	}
	if mr == 0 {
		a.runGeneric(m0, m1, n0, n1)
		return
	}
	t := tileTN{lda: 4 * a.LDA, ldb: 4 * a.LDB, k: a.K, ldc: 4 * a.LDC}
	if a.Rows != nil {
		t.rows = &a.Rows[0]
	}
	if a.Accumulate {
		t.accumulate = 1
	}
	for n := n0; n < n1; {
		t.n = min(vectors*lanes, n1-n)
		if !useGemmAVX512 {
			if t.n &^= lanes - 1; t.n == 0 {
				a.runGeneric(m0, m1, n, n1)
				return
			}
		}
		t.b = &a.B[n]
		for m, rows := m0, mr; m < m1; m += rows {
			if rows = min(rows, m1-m); rows < mr && useGemmNEON { // four, then one by one
				rows = 1
				if m1-m >= 4 {
					rows = 4
				}
			}
			t.a, t.c = &a.A[m], &a.C[m*a.LDC+n]
			tileTNRun(&t, rows, t.n <= lanes)
		}
		n += t.n
	}
}

// runGeneric is the definition.
func (a *GemmTNArgs) runGeneric(m0, m1, n0, n1 int) {
	for m := m0; m < m1; m++ {
		c := a.C[m*a.LDC+n0 : m*a.LDC+n1]
		if !a.Accumulate {
			clear(c)
		}
		for k := range a.K {
			row := k * a.LDB
			if a.Rows != nil {
				if row = int(a.Rows[k]); row < 0 {
					continue
				}
			}
			s := a.A[k*a.LDA+m]
			for j, v := range a.B[row+n0 : row+n1] {
				c[j] += s * v
			}
		}
	}
}
