package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradWeight is dw as a product over output positions: for each tap,
// dw[oc, tap, c] += sum over positions of d[position, oc] * x[what the tap sees, c].
// A task owns some columns of one tap and goes through the positions in order,
// chunk by chunk, so the order of a sum does not depend on the number of
// threads. Nothing is packed: a table of offsets says what the tap sees.
type convGradWeight struct {
	k        *convGrad
	chunk    int // positions at once, so that their rows stay in the cache
	cols     int // channels of a task
	colTasks int // tasks a tap and group
	slot     int // 32-bit words of one worker's scratch
}

// gradChunkBytes of d and x are passed over together.
const gradChunkBytes = 192 << 10

func newConvGradWeight(p *GradPrep, k *convGrad) *convGradWeight {
	t := &convGradWeight{k: k, cols: min(k.icg, 128)}
	t.colTasks = (k.icg + t.cols - 1) / t.cols
	t.chunk = max(64, gradChunkBytes/(4*(k.ocg+t.cols))/16*16)
	if image := k.OutSize(); t.chunk > image && image > 0 {
		t.chunk -= t.chunk % image // every chunk has the same table
	}
	t.chunk = min(t.chunk, k.n*k.OutSize())
	t.slot = roundUp(t.chunk, 16)
	p.NeedScratch(4 * t.slot * max(1, p.Threads))
	return t
}

func (t *convGradWeight) Run(g *Grads) { g.Parallel(t.k.groups*t.k.Taps()*t.colTasks, t) }

// Do adds to some columns of one tap of one group.
func (t *convGradWeight) Do(g *Grads, i, worker int) {
	k := t.k
	taps := k.Taps()
	c0 := i % t.colTasks * t.cols
	i /= t.colTasks
	tap, group := i%taps, i/taps
	n := min(t.cols, k.icg-c0)
	scratch := g.Scratch[4*worker*t.slot:][:4*t.slot]
	rows := tensor.CastSlice[int32](scratch)[:t.chunk]
	d, x := g.DOut.F32(), g.In[0].F32()
	first := group*k.icg + c0
	args := kern.GemmTNArgs{
		LDA: k.oc, M: k.ocg, N: n, LDC: taps * k.icg, Accumulate: true,
		C: g.DParams[0].F32()[(group*k.ocg*taps+tap)*k.icg+c0:],
	}
	image := k.OutSize()
	for from := 0; from < k.n*image; from += t.chunk {
		count := min(t.chunk, k.n*image-from)
		// Offsets are 32 bits and count from the chunk's first image.
		base := from / image
		args.A, args.K = d[from*k.oc+group*k.ocg:], count
		args.B, args.Rows = x[base*k.InSize()*k.ic+first:], rows[:count]
		if from == 0 || t.chunk%image != 0 {
			t.fill(args.Rows, tap, from-base*image)
		}
		args.Run(0, k.ocg, 0, args.N)
	}
}

// fill writes where the positions from the given one on find the tap, counted
// from the image that position 0 lies in: -1 in the padding.
func (t *convGradWeight) fill(rows []int32, tap, from int) {
	g := &t.k.Geom
	kt := [3]int{tap / (g.Kernel[1] * g.Kernel[2]), tap / g.Kernel[2] % g.Kernel[1], tap % g.Kernel[2]}
	image, o := from/t.k.OutSize(), t.k.outAt(from%t.k.OutSize())
	for i := 0; i < len(rows); {
		d := o[0]*g.Stride[0] + kt[0]*g.Dilation[0] - g.PadLo[0]
		h := o[1]*g.Stride[1] + kt[1]*g.Dilation[1] - g.PadLo[1]
		inside := uint(d) < uint(g.In[0]) && uint(h) < uint(g.In[1])
		line := ((image*g.In[0]+d)*g.In[1] + h) * g.In[2]
		w := o[2]*g.Stride[2] + kt[2]*g.Dilation[2] - g.PadLo[2]
		for ; o[2] < g.Out[2] && i < len(rows); o[2]++ {
			rows[i] = -1
			if inside && uint(w) < uint(g.In[2]) {
				rows[i] = int32((line + w) * t.k.ic)
			}
			w += g.Stride[2]
			i++
		}
		o[2] = 0
		if o[1]++; o[1] == g.Out[1] {
			o[1] = 0
			if o[0]++; o[0] == g.Out[0] {
				o[0] = 0
				image++
			}
		}
	}
}
