package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// groupNormFast is a norm over positions: sums of channels, block by block, then
// one scale and shift a channel. Scratch holds, for each image, the sums and three
// tiles (scale, shift, mean), then a line for each worker.
type groupNormFast struct {
	*normKernel
	lines   channelLines
	tiles   channelTiles
	partial int // floats of an image's sums
	tile    int // floats of a tile
	own     int // floats before workers' lines
	sum     groupNormSum
}

// careful is the ratio of squared mean and variance from where on the mean is taken
// out before the scale: x*scale + shift would lose too much.
const careful = 16

// prepareFast is nil where there is nothing to gain.
func (k *normKernel) prepareFast(p *Prep) Kernel {
	c := k.groups * k.width
	if k.output != 0 || k.pos < 2 || k.outer*c == 0 {
		return nil
	}
	image := tensor.Of(k.pos, c)
	f := &groupNormFast{normKernel: k, lines: newChannelLines(image), tiles: newChannelTiles(image)}
	f.partial = roundUp(4*f.lines.blocks*c, 16)
	f.tile = roundUp(f.tiles.width, 16)
	f.own = k.outer * (f.partial + 3*f.tile)
	f.sum.k = f
	p.NeedScratch(4 * (f.own + 3*f.lines.width()*max(1, p.Threads)))
	p.Path("vec/groups")
	return f
}

func (k *groupNormFast) Run(a *Args) {
	a.Parallel(k.outer*k.lines.blocks, &k.sum)
	k.factors(a)
	a.Parallel(k.outer*k.tiles.blocks, k)
}

// image is what scratch holds of one.
//
//go:noinline
func (k *groupNormFast) image(a *Args, n int) (sums, scale, shift, mean []float32) {
	s := tensor.CastSlice[float32](a.Scratch)[n*(k.partial+3*k.tile):]
	sums, s = s[:k.partial], s[k.partial:]
	return sums, s[:k.tiles.width], s[k.tile:][:k.tiles.width], s[2*k.tile:][:k.tiles.width]
}

// groupNormSum sums a block of an image.
type groupNormSum struct{ k *groupNormFast }

func (t *groupNormSum) Do(a *Args, i, worker int) {
	k := t.k
	n := i / k.lines.blocks
	sums, _, _, _ := k.image(a, n)
	elems := k.pos * k.groups * k.width
	own := tensor.CastSlice[float32](a.Scratch)[k.own+3*worker*k.lines.width():]
	k.lines.momentsIn(argF32(a, k.params, 0)[n*elems:][:elems], sums, own, i%k.lines.blocks)
}

// factors makes every image's scale, shift and mean. A shift of a group whose mean
// is large is that of x - mean.
func (k *groupNormFast) factors(a *Args) {
	kept := tensor.CastSlice[float32](a.Aux)
	var scale, bias []float32
	if k.operands > 1 {
		scale = argF32(a, k.params, 1)
	}
	if k.operands > 2 {
		bias = argF32(a, k.params, 2)
	}
	n := float64(k.pos * k.width)
	for set := range k.sets() {
		sums, sc, sh, means := k.image(a, set/k.groups)
		g := set % k.groups
		total, square := 0.0, 0.0
		for j := range k.width {
			t, q := k.lines.total(sums, g*k.width+j)
			total += t
			square += q
		}
		mean := total / n
		variance := max(0, square/n-mean*mean)
		// Float32 sums are not enough for squares beyond float32, and where the mean is
		// much larger than what is left without it.
		if !(square < math.MaxFloat32) || mean*mean > careful*variance {
			x := argF32(a, k.params, 0)
			var inv float64
			mean, inv = k.stats(x, set)
			variance = 1/(inv*inv) - k.eps
		}
		inv := 1 / math.Sqrt(variance+k.eps)
		if len(kept) > 0 {
			kept[2*set], kept[2*set+1] = float32(mean), float32(inv)
		}
		taken := 0.0
		if mean*mean > careful*variance {
			taken = float64(float32(mean))
		}
		for j := range k.width {
			c := g*k.width + j
			f := inv * k.affineAt(scale, 0, g, j)
			sc[c] = float32(f)
			sh[c] = float32(k.affineAt(bias, 1, g, j) - (mean-taken)*f)
			means[c] = float32(taken)
		}
	}
	for i := range k.outer {
		_, sc, sh, means := k.image(a, i)
		k.tiles.repeat(sc)
		k.tiles.repeat(sh)
		k.tiles.repeat(means)
	}
}

// Do scales a block of an image.
func (k *groupNormFast) Do(a *Args, i, _ int) {
	n, block := i/k.tiles.blocks, i%k.tiles.blocks
	_, scale, shift, means := k.image(a, n)
	elems := k.pos * k.groups * k.width
	x, y := argF32(a, k.params, 0)[n*elems:][:elems], f32(&a.Out)[n*elems:][:elems]
	lean := true
	for _, m := range means[:k.groups*k.width] {
		lean = lean && m == 0
	}
	for t := block * k.tiles.perBlk; t < min(k.tiles.tiles, (block+1)*k.tiles.perBlk); t++ {
		from, to := k.tiles.span(t)
		dst, src := y[from:to], x[from:to]
		if !lean {
			rowStep(kern.Sub, dst, src, means[:len(dst)])
			src = dst
		}
		kern.ScaleShiftF32(dst, src, scale, shift, negInf, posInf)
	}
}
