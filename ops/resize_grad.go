package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is nothing.
func (*Resize) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward gives each tap its weight's share.
func (r *Resize) Backward(p *GradPrep) (GradKernel, error) {
	if p.In[0].DType != tensor.F32 {
		return nil, errf(KindResize, "has no gradient on %v", p.In[0].DType)
	}
	k := &resizeGrad{resizeKernel: r.tables(&p.In[0], &p.Out), images: 1}
	if k.rank == 0 || p.Reference {
		return &resizeGradPlain{k.resizeKernel}, nil
	}
	if first := &k.axes[0]; k.rank > 1 && first.in == first.out && first.taps == 1 {
		k.images = first.out
	}
	k.row = roundUp(k.axes[k.rank-1].in*k.inner, 16)
	p.NeedScratch(4 * k.row * max(1, p.Threads))
	return k, nil
}

// resizeGrad gathers what a line of the result gives to each position of the last
// dimension that changes in a row, and gives that to the lines that the line was made of.
type resizeGrad struct {
	*resizeKernel
	images int // parts whose inputs are apart: of a first dimension that stays as it is
	row    int // floats of a worker's row
}

func (k *resizeGrad) Run(g *Grads) {
	if !g.DIn[0].IsZero() && k.outer*k.inner > 0 {
		g.Parallel(k.images, k)
	}
}

// Do takes the lines of one image.
func (k *resizeGrad) Do(g *Grads, image, worker int) {
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	last := &k.axes[k.rank-1]
	row := tensor.CastSlice[float32](g.Scratch)[worker*k.row:][:last.in*k.inner]
	per, n := k.lines()/k.images, last.out*k.inner
	for line := image * per; line < (image+1)*per; line++ {
		at, _, outside := k.place(line)
		if outside {
			continue
		}
		clear(row)
		for j := range last.out {
			if last.outside != nil && last.outside[j] {
				continue
			}
			d := dy[line*n+j*k.inner:][:k.inner]
			for t := j * last.taps; t < (j+1)*last.taps; t++ {
				if w := last.weight[t]; w != 0 {
					kern.AxpyF32(row[int(last.index[t])*k.inner:][:k.inner], d, w, 1)
				}
			}
		}
		k.give(dx, row, &at, 0, 0, 1)
	}
}

// give adds w times a row to the rows that dimensions d and later of a line read.
func (k *resizeGrad) give(dx, row []float32, at *[tensor.MaxRank]int, d, dst int, w float32) {
	if d == k.rank-1 {
		kern.AxpyF32(dx[dst:dst+len(row)], row, w, 1)
		return
	}
	ax := &k.axes[d]
	for t := at[d] * ax.taps; t < (at[d]+1)*ax.taps; t++ {
		if v := w * ax.weight[t]; v != 0 {
			k.give(dx, row, at, d+1, dst+int(ax.index[t])*k.stride[d], v)
		}
	}
}

// resizeGradPlain is the definition.
type resizeGradPlain struct{ *resizeKernel }

func (k *resizeGradPlain) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	for pos := range k.outer {
		at, outside := k.split(pos)
		if !outside {
			k.add(dx, dy[pos*k.inner:][:k.inner], &at, 0, 0, 1)
		}
	}
}

func (k *resizeGradPlain) add(dx, dy []float32, at *[tensor.MaxRank]int, d, dst int, w float32) {
	if d == k.rank {
		to := dx[dst : dst+len(dy)]
		for j, v := range dy {
			to[j] += w * v
		}
		return
	}
	ax := &k.axes[d]
	for t := at[d] * ax.taps; t < (at[d]+1)*ax.taps; t++ {
		k.add(dx, dy, at, d+1, dst+int(ax.index[t])*k.stride[d], w*ax.weight[t])
	}
}
