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

// newConvGradTaps is nil where another form is as good.
func newConvGradTaps(p *GradPrep, k *convGrad) *convGradTaps {
	mr, nr := kern.TNPanels()
	if mr == 0 || k.groups != 1 || k.Taps() == 1 || k.icg < tapsChannels || k.icg > 2*packTile || k.oc < tnRows/2 || k.Out[2] > 2*tapsDepth || k.n*k.OutSize() < tnDepth {
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

// tapsChannels is as many input channels as fill vectors.
const tapsChannels = 32

func (t *convGradTaps) Run(g *Grads) { g.Parallel(t.rowTasks*t.tapTasks, t) }

// Do adds to some taps of some output channels.
func (t *convGradTaps) Do(g *Grads, i, worker int) {
	k := t.k
	mr, nr := kern.TNPanels()
	row, tap0 := i%t.rowTasks*t.rows, i/t.rowTasks*t.taps
	m, tap1 := min(t.rows, k.oc-row), min(k.Taps(), tap0+t.taps)
	room := tensor.CastSlice[float32](g.Scratch)[worker*t.slot:][:t.slot]
	left, right := room[:t.rows*t.depth], room[t.rows*t.depth:]
	d, x, dw := g.DOut.F32()[row:], g.In[0].F32(), g.DParams[0].F32()[row*k.Taps()*k.icg:]
	all := k.n * k.Out[0] * k.Out[1]
	for line := 0; line < all; line += t.lines {
		lines := min(t.lines, all-line)
		a := kern.GemmTNArgs{K: lines * k.Out[2], LDA: mr, LDB: nr, LDC: k.Taps() * k.icg, Accumulate: true}
		kern.PackTN(left, d[line*k.Out[2]*k.oc:], a.K, m, k.oc, mr)
		for tap := tap0; tap < tap1; tap++ {
			if !t.see(right, x, line, lines, tap, nr) {
				continue
			}
			for j := 0; j < k.icg; j += nr {
				a.B, a.N = right[j*a.K:], min(nr, k.icg-j)
				for r := 0; r < m; r += mr {
					a.A, a.M, a.C = left[r*a.K:], min(mr, m-r), dw[(r*k.Taps()+tap)*k.icg+j:]
					a.Run(0, a.M, 0, a.N)
				}
			}
		}
	}
}

// see writes panels of what a tap sees from some output lines; false: nothing.
func (t *convGradTaps) see(dst, x []float32, first, lines, tap, nr int) bool {
	k := t.k
	width, depth := k.Out[2], lines*k.Out[2]
	kt := [MaxSpatial]int{tap / (k.Kernel[1] * k.Kernel[2]), tap / k.Kernel[2] % k.Kernel[1], tap % k.Kernel[2]}
	// Columns from to to see 0 <= o*stride + shift < In.
	shift, stride := kt[2]*k.Dilation[2]-k.PadLo[2], k.Stride[2]
	from := min(width, max(0, (-shift+stride-1)/stride))
	to := from
	if last := k.In[2] - 1 - shift; last >= 0 {
		to = max(from, min(width, last/stride+1))
	}
	sees := false
	for i := range lines {
		l := first + i
		image, o, h := l/(k.Out[0]*k.Out[1]), l/k.Out[1]%k.Out[0], l%k.Out[1]
		o, h = o*k.Stride[0]+kt[0]*k.Dilation[0]-k.PadLo[0], h*k.Stride[1]+kt[1]*k.Dilation[1]-k.PadLo[1]
		a, b := from, to
		if uint(o) >= uint(k.In[0]) || uint(h) >= uint(k.In[1]) {
			a, b = 0, 0
		}
		sees = sees || a < b
		src := 0
		if a < b {
			src = (((image*k.In[0]+o)*k.In[1]+h)*k.In[2] + a*stride + shift) * k.ic
		}
		for j := 0; j < k.icg; j += nr {
			panel := dst[j*depth+i*width*nr:][:width*nr]
			clear(panel[:a*nr])
			clear(panel[b*nr:])
			if a < b {
				rows := kern.Rows{Dst: panel[a*nr:], Src: x[src+j:], DstPitch: nr, SrcPitch: stride * k.ic, Rows: b - a, N: min(nr, k.icg-j)}
				rows.Copy()
			}
		}
	}
	return sees
}
