package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestPairLayout(t *testing.T) {
	skipUnless64(t)
	var r pairRows
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96}, []uintptr{
		unsafe.Offsetof(r.a), unsafe.Offsetof(r.zero), unsafe.Offsetof(r.rows), unsafe.Offsetof(r.taps), unsafe.Offsetof(r.count),
		unsafe.Offsetof(r.full), unsafe.Offsetof(r.tail), unsafe.Offsetof(r.groups), unsafe.Offsetof(r.masks), unsafe.Offsetof(r.n),
		unsafe.Offsetof(r.dst), unsafe.Offsetof(r.info), unsafe.Offsetof(r.whole)})
	var x pairTile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 116, 120}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.b), unsafe.Offsetof(x.taps), unsafe.Offsetof(x.full), unsafe.Offsetof(x.rest),
		unsafe.Offsetof(x.start), unsafe.Offsetof(x.back), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.res), unsafe.Offsetof(x.ldr),
		unsafe.Offsetof(x.c), unsafe.Offsetof(x.ldc), unsafe.Offsetof(x.n), unsafe.Offsetof(x.mr), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max), unsafe.Offsetof(x.ahead)})
}

// pairForms runs f with the plain form, and with assembly where this processor has it.
func pairForms(t *testing.T, f func(t *testing.T, run func(p *PairF32, a *GemmF32Args, m0, m1, n0, n1 int))) {
	t.Run("generic", func(t *testing.T) {
		f(t, func(p *PairF32, a *GemmF32Args, m0, m1, n0, n1 int) { p.runGeneric(a, m0, m1, n0, n1) })
	})
	if !takes(t, "pairs/avx512") {
		return
	}
	for _, tight := range []bool{false, true} {
		t.Run(fmt.Sprintf("avx512/tight=%v", tight), func(t *testing.T) {
			f(t, func(p *PairF32, a *GemmF32Args, m0, m1, n0, n1 int) {
				guard, scratch := newGuarded[float32](p.ScratchSize(map[bool]int{false: m1 - m0, true: 1}[tight], n1-n0), 0, -55)
				p.Run(a, scratch, m0, m1, n0, n1)
				guard.check(t, scratch)
			})
		})
	}
}

func TestPairF32(t *testing.T) {
	pairForms(t, func(t *testing.T, run func(p *PairF32, a *GemmF32Args, m0, m1, n0, n1 int)) {
		g := &GemmF32{MR: pairMR, NR: pairNR, Half: pairNR / 2}
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range [][4]int{
			{1, 1, 1, 2}, {1, 10, 1, 64}, {2, 16, 1, 2}, {3, 33, 2, 5}, {12, 32, 1, 4}, {13, 48, 9, 7}, {25, 17, 1, 31}, {11, 31, 3, 48},
			{7, 64, 1, 130}, {24, 100, 2, 16}, {49, 40, 9, 8}, {5, 8, 1, 9}, {6, 24, 4, 3}, {8, 9, 1, 47}, {10, 50, 1, 49}, {4, 70, 1, 257},
			{9, 32, 2, 96}, {37, 16, 1, 100}, {14, 23, 1, 32},
		} {
			for bits := range 16 {
				cs := g.randomCase(r, c[0], c[1], c[2], c[3], bits&1 != 0 || c[2] > 1, bits&2 != 0, bits&4 != 0, bits&8 != 0)
				a := &cs.args
				p := newPairF32(c[2], c[3])
				a.B = make([]float32, p.PackedSize(a.N))
				p.Pack(a.B, cs.w, a.N, c[2]*c[3])
				guard, out := newGuarded[float32]((cs.m-1)*a.LDC+a.N, bits%3, -77)
				a.C = out
				if bits == 15 || bits == 0 {
					cs.toEdge(t)
				}
				run(p, a, 0, cs.m, 0, a.N)
				guard.check(t, out)
				cs.compare(t, fmt.Sprintf("m%dn%dt%dk%d/%d", c[0], c[1], c[2], c[3], bits))
			}
		}
	})
}

// packColumn is the definition of a packed column.
func (p *PairF32) packColumn(dst, w []float32, width int) {
	most := float32(0)
	for _, v := range w {
		most = max(most, float32(math.Abs(float64(v))))
	}
	up, back := pairScale(most)
	start := 0.0
	steps := dst[2*width:]
	for t := range p.taps {
		w := w[t*p.kc:][:p.kc]
		for i := range p.n {
			y1, y2, d := up*w[i], float32(0), float32(0)
			if i&1 != 0 {
				y1 = -y1
			}
			if i+p.n < p.kc {
				y2 = up * w[i+p.n]
			}
			if i+2*p.n < p.kc {
				d = up * w[i+2*p.n]
			}
			start -= float64(y1) * float64(y2)
			s := steps[(t*p.n+i)*3*width:]
			s[0], s[width], s[2*width] = y2, y1, d
		}
	}
	dst[0], dst[width] = float32(start), back
}

func TestPairF32Pack(t *testing.T) {
	cputest.ForEachPath(t, "pack/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, c := range [][3]int{{1, 1, 2}, {16, 1, 5}, {33, 2, 7}, {48, 3, 16}, {100, 1, 64}, {31, 9, 49}} {
			n, k := c[0], c[1]*c[2]
			p := newPairF32(c[1], c[2])
			w := atEdge(t, randF32(r, n*k))
			got, want := make([]float32, p.PackedSize(n)), make([]float32, p.PackedSize(n))
			for i := range got {
				got[i] = 9
			}
			p.Pack(got, w, n, k)
			for j := range n {
				at := j / pairNR * pairNR
				p.packColumn(want[at*p.perColumn()+j-at:], w[j*k:][:k], min(pairNR, packedColumns(n, pairNR, pairNR/2)-at))
			}
			require.InDeltaSlice(t, want, got, 1e-4, "%v", c)
		}
	})
}

// Errors stay within a few times those of a plain sum for rows and columns of any size.
func TestPairF32Scales(t *testing.T) {
	pairForms(t, func(t *testing.T, run func(p *PairF32, a *GemmF32Args, m0, m1, n0, n1 int)) {
		r := rand.New(rand.NewPCG(3, 4))
		const m, n, k = 30, 48, 200
		for _, positive := range []bool{false, true} {
			x, w := randF32(r, m*k), randF32(r, n*k)
			for i := range m {
				scale := float32(math.Exp2(float64(4 * (i - 15))))
				for j := range k {
					if positive {
						x[i*k+j] = float32(math.Abs(float64(x[i*k+j])))
					}
					x[i*k+j] *= scale
				}
			}
			for j := range n {
				for i := range k {
					w[j*k+i] *= float32(math.Exp2(float64(j - 24)))
				}
			}
			clear(x[:k])
			p := newPairF32(1, k)
			a := GemmF32Args{A: x, LDA: k, Taps: 1, KC: k, N: n, LDC: n, Min: noMin, Max: noMax, C: make([]float32, m*n), B: make([]float32, p.PackedSize(n))}
			p.Pack(a.B, w, n, k)
			run(p, &a, 0, m, 0, n)
			worst, plain := 0.0, 0.0
			for i := range m {
				for j := range n {
					var sum, xx, ww float64
					var one float32
					for q := range k {
						u, v := float64(x[i*k+q]), float64(w[j*k+q])
						sum, xx, ww = sum+u*v, xx+u*u, ww+v*v
						one = fma32(x[i*k+q], w[j*k+q], one)
					}
					if norm := math.Sqrt(xx * ww); norm > 0 {
						worst = max(worst, math.Abs(float64(a.C[i*n+j])-sum)/norm)
						plain = max(plain, math.Abs(float64(one)-sum)/norm)
					} else {
						require.Zero(t, a.C[i*n+j])
					}
				}
			}
			t.Logf("positive %v: largest error %.3g of the norms, of plain sums %.3g", positive, worst, plain)
			require.Less(t, worst, 12*plain)
			require.Less(t, worst, 1e-6)
		}
	})
}

// However a product is cut into ranges, the bits are the same; a NaN stays in its row.
func TestPairF32Ranges(t *testing.T) {
	pairForms(t, func(t *testing.T, run func(p *PairF32, a *GemmF32Args, m0, m1, n0, n1 int)) {
		r := rand.New(rand.NewPCG(3, 4))
		const m, n, k = 53, 111, 77
		p := newPairF32(1, k)
		x := randF32(r, m*k)
		x[17*k+3] = float32(math.NaN())
		a := GemmF32Args{A: x, LDA: k, Taps: 1, KC: k, N: n, Bias: randF32(r, n), LDC: n, Min: 0, Max: noMax, C: make([]float32, m*n), B: make([]float32, p.PackedSize(n))}
		p.Pack(a.B, randF32(r, n*k), n, k)
		run(p, &a, 0, m, 0, n)
		bits := func() (b []uint32) {
			for i, v := range a.C {
				require.Equal(t, i/n == 17, v != v, "NaN at %d", i)
				b = append(b, math.Float32bits(v)&^(1<<31))
			}
			return b
		}
		whole := bits()
		clear(a.C)
		for m0 := 0; m0 < m; {
			m1 := min(m, m0+1+r.IntN(20))
			for n0 := 0; n0 < n; {
				n1 := min(n, n0+pairNR*(1+r.IntN(2)))
				run(p, &a, m0, m1, n0, n1)
				n0 = n1
			}
			m0 = m1
		}
		require.Equal(t, whole, bits())
	})
}

func TestPairF32Allocs(t *testing.T) {
	if !takes(t, "pairs/avx512") {
		t.Skip("no assembly for this processor")
	}
	p := newPairF32(1, 40)
	a := GemmF32Args{A: make([]float32, 30*40), LDA: 40, Taps: 1, KC: 40, N: 48, LDC: 48, C: make([]float32, 30*48), B: make([]float32, p.PackedSize(48))}
	scratch := make([]float32, p.ScratchSize(30, 48))
	require.Zero(t, testing.AllocsPerRun(10, func() { p.Run(&a, scratch, 0, 30, 0, 48) }))
}

// BenchmarkPairF32 is a product by pairs beside the plain one.
func BenchmarkPairF32(b *testing.B) {
	for _, c := range [][3]int{{125, 64, 64}, {36, 128, 128}, {2304, 16, 8}, {576, 32, 32}, {144, 64, 64}, {3136, 64, 64}, {3136, 24, 144}, {3136, 144, 24}, {49, 960, 160}, {49, 512, 2048}, {784, 512, 128}} {
		m, n, k := c[0], c[1], c[2]
		for _, pairs := range []bool{false, true} {
			b.Run(fmt.Sprintf("m%dn%dk%d/pairs=%v", m, n, k, pairs), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				a := GemmF32Args{A: randF32(r, m*k), LDA: k, Taps: 1, KC: k, N: n, LDC: n, Max: noMax, C: make([]float32, m*n)}
				w := randF32(r, n*k)
				g, p := SelectGemmF32For(n), newPairF32(1, k)
				scratch := make([]float32, p.ScratchSize(m, n))
				if pairs {
					if !takes(b, "pairs/avx512") {
						b.Skip("no assembly for this processor")
					}
					a.B = make([]float32, p.PackedSize(n))
					p.Pack(a.B, w, n, k)
				} else {
					a.B = make([]float32, g.PackedSize(n, k))
					g.Pack(a.B, w, n, k, k)
				}
				for b.Loop() {
					if pairs {
						p.Run(&a, scratch, 0, m, 0, n)
					} else {
						g.Run(&a, 0, m, 0, n)
					}
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
