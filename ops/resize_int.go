package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Resizing integers. Nearest copies. Bilinear follows XNNPACK: the weight of
// the further tap along each dimension is rounded half to even to 1/2048, the
// nearer one's is the rest, and the sum is rounded half up. Everything else is
// summed in float32 and rounded half to even.

// prepareInt is Prepare for 8-bit inputs that are not just copied.
func (r *Resize) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	for i, s := range []*tensor.Spec{x, &p.Out} {
		if err := wantAffine(KindResize, [...]string{"input", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	k := &resizeInt{resizeKernel: r.tables(x, &p.Out), x: newQ8(x)}
	k.params = p.Params
	sx, zx := x.Quant.At(0)
	sy, zy := p.Out.Quant.At(0)
	lo, hi := tensor.IntRange(p.Out.DType)
	k.ratio, k.zx, k.zy, k.lo, k.hi = sx/sy, zx, zy, int32(lo), int32(hi)
	k.border = roundClamp(r.Extrapolation/sy, zy, k.lo, k.hi)
	k.chunk = k.outer
	if p.Threads > 1 {
		k.chunk = max(1, (1<<14)/max(1, k.inner))
	}
	moving := 0
	for d := range k.rank {
		if k.axes[d].taps == 2 {
			moving++
		}
	}
	k.fixed = r.Mode == ResizeLinear && !r.Antialias && r.Coord != CoordTFCrop && moving <= 2 && x.Quant.Equal(p.Out.Quant) && x.DType == p.Out.DType
	if k.fixed {
		k.shift = uint(11 * moving)
		for d := range k.rank {
			k.steps[d] = fixedWeights(&k.axes[d])
		}
		p.Path("fixed")
		return k, nil
	}
	p.Path("reference/int")
	return k, nil
}

// fixedWeights are an axis's weights in 1/2048; 1 where there is one tap.
func fixedWeights(a *resizeAxis) []int32 {
	w := make([]int32, len(a.weight))
	for i := range w {
		if a.taps != 2 {
			w[i] = 1
			continue
		}
		if i%2 == 1 {
			w[i] = int32(math.RoundToEven(float64(a.weight[i]) * 2048))
			w[i-1] = 2048 - w[i]
		}
	}
	return w
}

type resizeInt struct {
	*resizeKernel
	x      q8
	ratio  float32
	zx, zy int32
	lo, hi int32
	border int32 // outside the input
	fixed  bool
	shift  uint
	steps  [tensor.MaxRank][]int32
}

func (k *resizeInt) Run(a *Args) { a.Parallel((k.outer+k.chunk-1)/max(1, k.chunk), k) }

// Do computes some positions.
func (k *resizeInt) Do(a *Args, i, _ int) {
	x, y := arg(a, k.params, 0).Data, a.Out.Data
	for pos := i * k.chunk; pos < min(k.outer, (i+1)*k.chunk); pos++ {
		at, outside := k.split(pos)
		if k.fixed {
			var t fixedTaps
			k.find(&t, &at, 0, 0, 1)
			k.sumFixed(y[pos*k.inner:][:k.inner], x, &t)
			continue
		}
		for j := range k.inner {
			q := k.border
			if !outside {
				q = roundClamp(k.sumReal(x, &at, 0, j, 1)*k.ratio, k.zy, k.lo, k.hi)
			}
			y[pos*k.inner+j] = byte(q)
		}
	}
}

// fixedTaps is where the elements start that a position is the sum of, and their weights.
type fixedTaps struct {
	src    [4]int
	weight [4]int32
	n      int
}

// find lists the taps from dimension d on.
func (k *resizeInt) find(to *fixedTaps, at *[tensor.MaxRank]int, d, src int, w int32) {
	if d == k.rank {
		to.src[to.n], to.weight[to.n] = src, w
		to.n++
		return
	}
	ax := &k.axes[d]
	for t := at[d] * ax.taps; t < (at[d]+1)*ax.taps; t++ {
		k.find(to, at, d+1, src+int(ax.index[t])*k.stride[d], w*k.steps[d][t])
	}
}

// sumFixed adds up stored integers times fixed point weights. Weights are 1 together, so that signed numbers may be taken
// with their sign bit turned round, which adds 128, and turned back after.
func (k *resizeInt) sumFixed(y, x []byte, t *fixedTaps) {
	flip, half := byte(0), int32(1)<<k.shift>>1
	if k.x.signed {
		flip = 0x80
	}
	n := len(y)
	x0, x1, x2, x3 := x[t.src[0]:][:n], x[t.src[1]:][:n], x[t.src[2]:][:n], x[t.src[3]:][:n]
	w0, w1, w2, w3 := t.weight[0], t.weight[1], t.weight[2], t.weight[3]
	for j := range y {
		q := w0*int32(x0[j]^flip) + w1*int32(x1[j]^flip) + w2*int32(x2[j]^flip) + w3*int32(x3[j]^flip)
		y[j] = byte((q+half)>>(k.shift&31)) ^ flip
	}
}

// sumReal adds up numbers in units of the input's scale.
func (k *resizeInt) sumReal(x []byte, at *[tensor.MaxRank]int, d, src int, w float32) (sum float32) {
	if d == k.rank {
		return w * float32(k.x.at(x[src]))
	}
	ax := &k.axes[d]
	for t := at[d] * ax.taps; t < (at[d]+1)*ax.taps; t++ {
		sum += k.sumReal(x, at, d+1, src+int(ax.index[t])*k.stride[d], w*ax.weight[t])
	}
	return sum
}
