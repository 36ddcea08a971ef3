package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var (
	useMaxI8AVX2 = cpu.AVX2 && haveAsm
	useMaxI8NEON = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("maxi8/avx2", &useMaxI8AVX2)
	cpu.Register("maxi8/neon", &useMaxI8NEON)
}

// MaxI8Args are windows over bytes, int8 or uint8, that all lie inside their input.
type MaxI8Args struct {
	Signed               bool
	C                    int // channels
	Rows, Cols           int // taps of a window, at least 1
	RowStride, ColStride int // bytes from one tap to the next
	Pixels               int // windows in a line, at least 1
	InStep, OutStep      int // bytes from one window's first tap, and result, to the next
}

// maxI8Tile is what assembly is handed; it knows the offsets (see TestMaxPoolI8).
type maxI8Tile struct {
	dst, x               *byte
	channels             int
	rows, cols           int
	rowStride, colStride int
	pixels               int
	inStep, outStep      int
}

// MaxPoolI8 sets dst[p·OutStep+c] to the largest of x[p·InStep+r·RowStride+k·ColStride+c] over taps r and k.
func MaxPoolI8(dst, x []byte, a *MaxI8Args) {
	if a.Pixels < 1 || a.Rows < 1 || a.Cols < 1 || a.C < 1 {
		panic("kern: BUG: maximum of nothing")
	}
	// The last of each, so that assembly stays inside.
	_ = dst[(a.Pixels-1)*a.OutStep+a.C-1]
	_ = x[(a.Pixels-1)*a.InStep+(a.Rows-1)*a.RowStride+(a.Cols-1)*a.ColStride+a.C-1]
	if (useMaxI8AVX2 || useMaxI8NEON) && a.C >= 16 {
		maxI8Run(&maxI8Tile{&dst[0], &x[0], a.C, a.Rows, a.Cols, a.RowStride, a.ColStride, a.Pixels, a.InStep, a.OutStep}, a.Signed)
		return
	}
	for p := range a.Pixels {
		to := dst[p*a.OutStep:][:a.C]
		copy(to, x[p*a.InStep:])
		for r := range a.Rows {
			for k := range a.Cols {
				MaxI8(to, x[p*a.InStep+r*a.RowStride+k*a.ColStride:][:a.C], a.Signed)
			}
		}
	}
}
