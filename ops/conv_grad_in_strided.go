package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradInStrided is dx of a convolution with a stride, in two steps: a plain
// product of d, [positions, oc], with the weights as they are stored,
// [oc, taps * ic], says what each output position gives to each of its taps;
// then these rows are added to the inputs that the taps see, where the taps of a
// kernel's row lie side by side. A task owns a band of lines of an image and
// makes the products of the output lines that reach it.
type convGradInStrided struct {
	k      *convGrad
	gemm   *kern.GemmF32
	width  int // columns of a group's product: taps * icg
	packed int // floats of a group's packed weights
	lines  int // output lines at a time
	slot   int // floats of one worker's products
	bands  int // of an image
	sets   bool
	side   []stridedTaps // of a kernel's row
	pack   convGradInPack
}

// stridedRows is about as many rows as a product has at a time: they pass over
// the weights together and still lie in the second-level cache when they are
// added.
const stridedRows = 48

// strided says whether this form is for a convolution.
func (s *convSpec) strided() bool {
	return (s.Taps() > 1 || stridedPanels()) && s.Stride != [MaxSpatial]int{1, 1, 1} && s.In[0] == 1 && s.Kernel[0] == 1 && s.PadLo[0] == 0 && s.OutSize() > 0
}

func newConvGradInStrided(p *GradPrep, k *convGrad) *convGradInStrided {
	t := &convGradInStrided{k: k, gemm: kern.SelectGemmF32(), width: k.Taps() * k.icg}
	threads := max(1, p.Threads)
	t.packed = t.gemm.PackedSize(t.width, k.ocg)
	t.lines = min(k.Out[1], (stridedRows+k.Out[2]-1)/k.Out[2])
	t.slot = roundUp(t.lines*k.Out[2]*t.width, 16)
	t.bands = 1
	if threads > 1 {
		t.bands = max(1, min((4*threads+k.n-1)/max(1, k.n), k.Out[1]/4))
	}
	t.sets = p.writes(0)
	t.side = t.taps()
	t.pack.t = t
	p.NeedScratch(4 * (k.groups*t.packed + threads*t.slot))
	return t
}

func (t *convGradInStrided) Run(g *Grads) {
	g.Parallel(t.k.groups*t.pack.panels(), &t.pack)
	g.Parallel(t.k.n*t.bands, t)
}

// convGradInPack packs a panel of a group's weights.
type convGradInPack struct{ t *convGradInStrided }

func (p *convGradInPack) panels() int { return (p.t.width + p.t.gemm.NR - 1) / p.t.gemm.NR }

func (p *convGradInPack) Do(g *Grads, i, _ int) {
	t, k := p.t, p.t.k
	group, j := i/p.panels(), i%p.panels()*t.gemm.NR
	dst := tensor.CastSlice[float32](g.Scratch)[group*t.packed:][:t.packed]
	t.gemm.PackKN(dst[j*k.ocg:], g.Params[0].F32()[group*k.ocg*t.width+j:], min(t.gemm.NR, t.width-j), k.ocg, t.width)
}

// Do makes a band of an image's gradient.
func (t *convGradInStrided) Do(g *Grads, i, worker int) {
	k := t.k
	image, band := i/t.bands, i%t.bands
	from, to := k.In[1]*band/t.bands, k.In[1]*(band+1)/t.bands
	f := tensor.CastSlice[float32](g.Scratch)
	products := f[k.groups*t.packed+worker*t.slot:][:t.slot]
	dx := g.DIn[0].F32()[image*k.InSize()*k.ic:][:k.InSize()*k.ic]
	d := g.DOut.F32()[image*k.OutSize()*k.oc:]
	line := k.In[2] * k.ic
	clean := from // lines before it hold what was added so far
	if !t.sets {
		clean = to
	}
	reach := (k.Kernel[1] - 1) * k.Dilation[1]
	first := max(0, from+k.PadLo[1]-reach+k.Stride[1]-1) / k.Stride[1]
	last := min(k.Out[1], (to-1+k.PadLo[1])/k.Stride[1]+1)
	for o := first; o < last; o += t.lines {
		n := min(t.lines, last-o)
		for group := range k.groups {
			args := kern.GemmF32Args{
				A: d[o*k.Out[2]*k.oc+group*k.ocg:], LDA: k.oc, Taps: 1, KC: k.ocg, B: f[group*t.packed:][:t.packed], N: t.width,
				C: products, LDC: t.width, Min: negInf, Max: posInf,
			}
			t.gemm.Run(&args, 0, n*k.Out[2], 0, t.width)
			for j := range n {
				top := (o+j)*k.Stride[1] - k.PadLo[1]
				if end := min(to, top+reach+1); clean < end {
					clear(dx[clean*line : end*line])
					clean = end
				}
				for kh := range k.Kernel[1] {
					if h := top + kh*k.Dilation[1]; h >= from && h < to {
						t.add(dx[h*line:][:line], products[j*k.Out[2]*t.width+kh*k.Kernel[2]*k.icg:], group*k.icg)
					}
				}
			}
		}
	}
	if clean < to {
		clear(dx[clean*line : to*line])
	}
}

// stridedTaps are taps of a kernel's row that lie side by side.
type stridedTaps struct {
	kw, n    int
	at       int // input column that the first sees from output column 0
	from, to int // output columns that see nothing of the padding
}

func (t *convGradInStrided) taps() []stridedTaps {
	k := t.k
	side := 1
	if k.groups == 1 && k.Dilation[2] == 1 {
		side = k.Kernel[2]
	}
	var taps []stridedTaps
	for kw := 0; kw < k.Kernel[2]; kw += side {
		s := stridedTaps{kw: kw, n: side, at: kw*k.Dilation[2] - k.PadLo[2]}
		s.from = min(k.Out[2], (max(0, -s.at)+k.Stride[2]-1)/k.Stride[2])
		s.to = s.from
		if last := k.In[2] - side - s.at; last >= 0 {
			s.to = max(s.from, min(k.Out[2], last/k.Stride[2]+1))
		}
		taps = append(taps, s)
	}
	return taps
}

// add adds what the positions of an output line give through a row of the kernel
// to the channels from c on of an input line.
func (t *convGradInStrided) add(dx, products []float32, c int) {
	k := t.k
	for i := range t.side {
		s := &t.side[i]
		rows := kern.Rows{DstPitch: k.Stride[2] * k.ic, SrcPitch: t.width, Rows: s.to - s.from, N: s.n * k.icg}
		if s.from < s.to {
			rows.Dst, rows.Src = dx[(s.at+s.from*k.Stride[2])*k.ic+c:], products[s.from*t.width+s.kw*k.icg:]
			rows.Add()
		}
		rows.Rows = 1
		for o := 0; o < k.Out[2]; o++ {
			if o == s.from && s.from < s.to {
				if o = s.to; o == k.Out[2] {
					break
				}
			}
			at := s.at + o*k.Stride[2]
			if a, b := max(0, -at), min(s.n, k.In[2]-at); a < b {
				rows.Dst, rows.Src, rows.N = dx[(at+a)*k.ic+c:], products[o*t.width+(s.kw+a)*k.icg:], (b-a)*k.icg
				rows.Add()
			}
		}
	}
}
