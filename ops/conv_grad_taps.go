package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradTaps is dw of a convolution of many channels by packed panels: of some output lines, d is copied once and what
// each tap sees of the input, zeros in the padding, tap after tap. A task owns some taps and some output channels and goes
// through the lines in order.
type convGradTaps struct {
	k        *convGrad
	lines    int // output lines at a time
	depth    int // positions of these
	rows     int // output channels of a task
	rowTasks int
	taps     int // of a task
	tapTasks int
	slot     int // floats of one worker's panels
}

// tapsDepth is about as many positions as make a depth.
const tapsDepth = 224

// newConvGradTaps is nil where another form is as good: that of tables skips every position in the padding, of which taps
// far apart see more.
func newConvGradTaps(p *GradPrep, k *convGrad) *convGradTaps {
	mr, nr := kern.TNPanels()
	if mr == 0 || k.groups != 1 || k.Dilation != [MaxSpatial]int{1, 1, 1} || k.icg < tapsChannels || k.oc < tnRows/2 || k.Out[2] > 2*tapsDepth || k.n*k.OutSize() < tnDepth {
		return nil
	}
	if one := k.Taps() == 1; one && (k.Pointwise() || !stridedPanels() || k.icg < packColumns) || !one && k.icg > 2*packTile {
		return nil
	}
	t := &convGradTaps{k: k, lines: max(1, min(tapsDepth/k.Out[2], k.n*k.Out[0]*k.Out[1]))}
	t.depth = t.lines * k.Out[2]
	threads := max(1, p.Threads)
	t.rows, t.taps = min(packTile, roundUp(k.oc, mr)), k.Taps()
	for threads > 1 && t.taps > 1 && (k.oc+t.rows-1)/t.rows*((k.Taps()+t.taps-1)/t.taps) < 2*threads {
		t.taps = (t.taps + 1) / 2
	}
	t.rowTasks, t.tapTasks = (k.oc+t.rows-1)/t.rows, (k.Taps()+t.taps-1)/t.taps
	t.slot = roundUp((t.rows+roundUp(k.icg, nr))*t.depth, 16)
	p.NeedScratch(4 * t.slot * threads)
	return t
}

// stridedPanels says that the only tap of a convolution with a stride goes by these panels, too, and its gradient by the
// input as that of many taps: by AVX2 alone, others were not measured.
func stridedPanels() bool {
	_, nr := kern.TNPanels()
	return nr == 16
}

// tapsChannels is as many input channels as fill vectors.
const tapsChannels = 32

func (t *convGradTaps) Run(g *Grads) { g.Parallel(t.rowTasks*t.tapTasks, t) }

// Do adds to some taps of some output channels.
func (t *convGradTaps) Do(g *Grads, i, worker int) {
	k := t.k
	mr, _ := kern.TNPanels()
	row, tap0 := i%t.rowTasks*t.rows, i/t.rowTasks*t.taps
	m, tap1 := min(t.rows, k.oc-row), min(k.Taps(), tap0+t.taps)
	left := tensor.CastSlice[float32](g.Scratch)[worker*t.slot:][:t.rows*t.depth]
	d := g.DOut.F32()[row:]
	all := k.n * k.Out[0] * k.Out[1]
	for first := 0; first < all; first += t.lines {
		lines := min(t.lines, all-first)
		kern.PackTN(left, d[first*k.Out[2]*k.oc:], lines*k.Out[2], m, k.oc, mr)
		for tap := tap0; tap < tap1; tap++ {
			v := t.view(tap)
			for from := 0; from < lines && v.from < v.to; from++ {
				to := from
				for to < lines && t.input(&v, first+to) >= 0 {
					to++
				}
				if from < to {
					t.product(g, &v, worker, row, m, lines, first, from, to)
					from = to // which sees nothing
				}
			}
		}
	}
}

// tapView is a tap and the output columns that see the input by it.
type tapView struct {
	tap      int
	at       [MaxSpatial]int // place in the kernel
	shift    int             // input column that output column 0 sees
	from, to int
}

func (t *convGradTaps) view(tap int) tapView {
	k := t.k
	v := tapView{tap: tap, at: [MaxSpatial]int{tap / (k.Kernel[1] * k.Kernel[2]), tap / k.Kernel[2] % k.Kernel[1], tap % k.Kernel[2]}}
	v.shift = v.at[2]*k.Dilation[2] - k.PadLo[2]
	s := k.Stride[2] // 0 <= o*s + shift < In
	v.from = min(k.Out[2], max(0, (-v.shift+s-1)/s))
	v.to = v.from
	if last := k.In[2] - 1 - v.shift; last >= 0 {
		v.to = max(v.from, min(k.Out[2], last/s+1))
	}
	return v
}

// input is the input line that output line l sees, -1 in the padding.
func (t *convGradTaps) input(v *tapView, l int) int {
	k := t.k
	image, o, h := l/(k.Out[0]*k.Out[1]), l/k.Out[1]%k.Out[0], l%k.Out[1]
	o, h = o*k.Stride[0]+v.at[0]*k.Dilation[0]-k.PadLo[0], h*k.Stride[1]+v.at[1]*k.Dilation[1]-k.PadLo[1]
	if uint(o) >= uint(k.In[0]) || uint(h) >= uint(k.In[1]) {
		return -1
	}
	return (image*k.In[0]+o)*k.In[1] + h
}

// product adds what lines from to to of those from first on give, all of which see something; left holds panels of d.
func (t *convGradTaps) product(g *Grads, v *tapView, worker, row, m, lines, first, from, to int) {
	k, width := t.k, t.k.Out[2]
	mr, nr := kern.TNPanels()
	room := tensor.CastSlice[float32](g.Scratch)[worker*t.slot:][:t.slot]
	left, right := room[from*width*mr:], room[t.rows*t.depth:]
	x, dw := g.In[0].F32(), g.DParams[0].F32()[row*k.Taps()*k.icg:]
	a := kern.GemmTNArgs{K: (to - from) * width, LDA: mr, LDB: nr, LDC: k.Taps() * k.icg, Accumulate: true}
	for i := range to - from {
		src := (t.input(v, first+from+i)*k.In[2] + v.from*k.Stride[2] + v.shift) * k.ic
		for j := 0; j < k.icg; j += nr {
			panel := right[j*a.K+i*width*nr:][:width*nr]
			clear(panel[:v.from*nr])
			clear(panel[v.to*nr:])
			rows := kern.Rows{Dst: panel[v.from*nr:], Src: x[src+j:], DstPitch: nr, SrcPitch: k.Stride[2] * k.ic, Rows: v.to - v.from, N: min(nr, k.icg-j)}
			rows.Copy()
		}
	}
	for j := 0; j < k.icg; j += nr {
		a.B, a.N = right[j*a.K:], min(nr, k.icg-j)
		for r := 0; r < m; r += mr {
			a.A, a.M, a.C = left[r*lines*width:], min(mr, m-r), dw[(r*k.Taps()+v.tap)*k.icg+j:]
			a.Run(0, a.M, 0, a.N)
		}
	}
}
