package kern

// TapRows is what the weights' gradient of a 3x3 depthwise convolution, padded by one, has to do with some rows of outputs:
//
//	Dst[i][j·Pixel + c] += Σ over rows r, columns o with x = o·Stride + j - 1 inside of D[r][o][c] · X[i][r][x][c]
//
// Tap after tap each would be read nine times. The "vec/..." switches govern it.
type TapRows struct {
	D       []float32    // Rows of Columns pixels
	X       [3][]float32 // what the kernel's rows see: every Stride-th row of Stride·Columns pixels
	Dst     [3][]float32 // pixels, of the taps of a row of the kernel
	N       int          // channels
	Pixel   int          // floats from one pixel to the next, at least N
	Stride  int          // 1 or 2
	Rows    int          // of outputs, as are
	Columns int
}

// tapDownArgs is what the kernels are handed, distances in bytes; assembly knows the offsets (see TestTapRowsLayout).
type tapDownArgs struct {
	d                 *float32
	x, dst            [3]*float32
	n, columns, rows  int
	pixel, rowD, rowX int
}

// TapRowsPays says that it is faster than tap after tap.
func TapRowsPays() bool { return useVecAVX2 && !useVecAVX512 }

// Run adds to Dst. Sums of a call are float32.
func (a *TapRows) Run() {
	if a.N <= 0 || a.Rows <= 0 || a.Columns <= 0 {
		return
	}
	line := a.Stride * a.Columns * a.Pixel
	wrong := a.Pixel < a.N || a.Stride < 1 || a.Stride > 2 || len(a.D) < (a.Rows*a.Columns-1)*a.Pixel+a.N
	for i := range 3 {
		wrong = wrong || len(a.X[i]) < ((a.Rows-1)*a.Stride+1)*line-a.Pixel+a.N || len(a.Dst[i]) < 2*a.Pixel+a.N
	}
	if wrong {
		panic("kern: BUG: rows of taps: a slice does not match the sizes")
	}
	if !TapRowsPays() {
		a.runGeneric()
		return
	}
	t := tapDownArgs{d: &a.D[0], n: a.N, columns: a.Columns, rows: a.Rows, pixel: 4 * a.Pixel, rowD: 4 * a.Columns * a.Pixel, rowX: 4 * a.Stride * line}
	for i := range 3 {
		t.x[i], t.dst[i] = &a.X[i][0], &a.Dst[i][0]
	}
	tapDown(&t, a.Stride)
}

// runGeneric is the definition.
func (a *TapRows) runGeneric() {
	width := a.Stride * a.Columns
	for i := range 9 * a.Rows * a.Columns {
		tap, r, o := i%9, i/9/a.Columns, i/9%a.Columns
		x := o*a.Stride + tap%3 - 1
		if x < 0 || x >= width {
			continue
		}
		to := a.Dst[tap/3][tap%3*a.Pixel:]
		in := a.X[tap/3][(r*a.Stride*width+x)*a.Pixel:]
		for c, v := range a.D[(r*a.Columns+o)*a.Pixel:][:a.N] {
			to[c] += v * in[c]
		}
	}
}
