package kern

// GemmI8Sum is an addition behind a product, of which the product's result is x: the bits of storing it, then AddI8. Each
// tile is added to while it is in the first-level cache: kernels that added in registers were 6 KB more and no faster.
type GemmI8Sum struct{ add AddI8Args }

// NewGemmI8Sum prepares an addition for products.
func NewGemmI8Sum(add AddI8Args) *GemmI8Sum {
	add.Prepare()
	return &GemmI8Sum{add: add}
}

// addRows adds to rows that the product has been stored to.
func (a *GemmI8Args) addRows(m0, m1, n0, n1 int) {
	for m := m0; m < m1; m++ {
		c := a.C[m*a.LDC:][n0:n1]
		AddI8(c, c, a.Res[m*a.LDR:][n0:n1], &a.Sum.add)
	}
}
