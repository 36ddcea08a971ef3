package kern

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// The product over bfloat16: GemmF32's, with A and B rounded to bfloat16 and sums in float32, where the processor has
// VDPBF16PS. It does two multiply-adds in the place of one, and keeps two to three significant digits of each operand.
// The instruction adds pairs, flushes subnormals and rounds to nearest even whatever the mode. As everywhere, bits do not
// depend on ranges.

var useGemmBF16 = cpu.BF16 && haveAsm

// useF32ForBF16: on Intel's processors up to Emerald Rapids the instruction runs at a quarter of VFMADD231PS's rate, so half as many
// products in all (85 against 178 GFLOP/s).
var useF32ForBF16 = cpu.BF16 && haveAsm

func init() {
	cpu.Register("gemmbf16/avx512", &useGemmBF16)
	cpu.RegisterFor("f32forbf16/avx512", &useF32ForBF16, cpu.Intel)
}

// BF16Pays reports whether products of bfloat16 are there and faster than those of float32.
func BF16Pays() bool { return useGemmBF16 && !useF32ForBF16 }

// GemmBF16 is a chosen form of the product; packing depends on it.
type GemmBF16 struct {
	Name string
	MR   int // rows of a tile: the stride of offset tables
	NR   int // columns of a panel
	Half int // width of a last, narrow panel
}

var gemmBF16 = GemmBF16{Name: "bf16-12x32-avx512", MR: 12, NR: 32, Half: 16}

// SelectGemmBF16 returns the form that is switched on, or nil: then float32 is the way.
func SelectGemmBF16() *GemmBF16 {
	if useGemmBF16 {
		return &gemmBF16
	}
	return nil
}

// GemmBF16Args is one product. Fields are GemmF32Args', but for the type of A and B.
type GemmBF16Args struct {
	A    []uint16
	Rows []int32
	LDA  int
	Taps int
	KC   int
	B    []uint16 // PackedSize(N, Taps, KC) from Pack
	N    int
	Bias []float32
	Res  []float32
	LDR  int
	C    []float32
	LDC  int
	Min  float32
	Max  float32
}

// PackedSize is the length of packed weights for n columns and taps of kc.
func (g *GemmBF16) PackedSize(n, taps, kc int) int {
	return taps * (kc + kc&1) * packedColumns(n, g.NR, g.Half)
}

// Pack rounds weights to bfloat16 and lays them out as panels [ceil(n/NR)][taps][kc/2][NR][2]. Column j is at
// w[j*ld : j*ld+taps*kc].
func (g *GemmBF16) Pack(dst []uint16, w []float32, n, taps, kc, ld int) {
	dst = dst[:g.PackedSize(n, taps, kc)]
	clear(dst)
	depth := kc + kc&1
	for j := range n {
		panel := j / g.NR * g.NR
		width := min(g.NR, packedColumns(n, g.NR, g.Half)-panel)
		to := dst[panel*taps*depth+2*(j-panel):]
		for t := range taps {
			for k, v := range w[j*ld+t*kc:][:kc] {
				to[(t*depth+k)/2*width*2+k&1] = bf16Bits(v)
			}
		}
	}
}

// ToBF16 rounds src to bfloat16, to nearest even; NaNs stay NaNs.
func ToBF16(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	if useGemmBF16 && len(src) > 0 {
		convertBF16(dst, src)
		return
	}
	for i, v := range src {
		dst[i] = bf16Bits(v)
	}
}

func bf16Bits(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Run computes rows m0 to m1 and columns n0 to n1; see GemmF32.Run for what ranges may be.
func (g *GemmBF16) Run(a *GemmBF16Args, m0, m1, n0, n1 int) {
	if m0 >= m1 || n0 >= n1 {
		return
	}
	switch {
	case m0 < 0 || n0 < 0 || n1 > a.N || a.Taps <= 0 || a.KC <= 0,
		n0%g.NR != 0 || n1%g.NR != 0 && n1 != a.N,
		len(a.B) < g.PackedSize(a.N, a.Taps, a.KC),
		a.Bias != nil && len(a.Bias) < a.N,
		len(a.C) < (m1-1)*a.LDC+n1,
		a.Res != nil && len(a.Res) < (m1-1)*a.LDR+n1,
		a.Rows == nil && (a.Taps != 1 || len(a.A) < (m1-1)*a.LDA+a.KC || a.LDA > 1<<31/16),
		a.Rows != nil && (m0%g.MR != 0 || len(a.Rows) < RowsSize(g.MR, m1, a.Taps) || a.KC > MaxTap || len(a.A) == 0):
		panic("kern: BUG: bf16 product: range or slice does not match the sizes")
	}
	depth := a.Taps * (a.KC + a.KC&1)
	block := max(1, blockBytes/(2*depth*g.NR)) * g.NR
	for nn := n0; nn < n1; nn += block {
		g.runBlock(a, m0, m1, nn, min(nn+block, n1), depth)
	}
}

func (g *GemmBF16) runBlock(a *GemmBF16Args, m0, m1, n0, n1, depth int) {
	var direct [16]int32
	t := tileF32{zero: &zeroRow[0], taps: a.Taps, kc: a.KC, ldr: 4 * a.LDR, ldc: 4 * a.LDC, min: a.Min, max: a.Max}
	if a.Rows == nil {
		for i := range g.MR {
			direct[i] = int32(i * a.LDA)
		}
		t.rows = &direct[0]
	} else {
		t.a = floatPointer(&a.A[0])
	}
	for m := m0; m < m1; m += g.MR {
		if a.Rows == nil {
			t.a = floatPointer(&a.A[m*a.LDA])
		} else {
			t.rows = &a.Rows[m*a.Taps]
		}
		for n := n0; n < n1; n += g.NR {
			t.n = min(g.NR, n1-n)
			t.b = floatPointer(&a.B[n*depth])
			t.c = &a.C[m*a.LDC+n]
			if a.Bias != nil {
				t.bias = &a.Bias[n]
			}
			if a.Res != nil {
				t.res = &a.Res[m*a.LDR+n]
			}
			tileBF16(&t, min(g.MR, m1-m), t.n <= g.Half)
		}
	}
}
