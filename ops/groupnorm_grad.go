package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// groupNormGrad is normGrad where a set has many positions, by the loops of a batch norm's gradient: sums of dy and of
// dy·(x - mean) for each image and channel, then dx = a*dy + b*x + c with factors of their own. Scratch holds, of each
// image, the sums and four lines; then a line of zeros and each worker's lines.
type groupNormGrad struct {
	*normGrad
	lines   channelLines // of an image
	partial int          // floats of an image's sums
	shared  int          // floats before what is not an image's
	fresh   bool         // the gradient is set, not added to
	add     groupNormGradAdd
}

// The lines of an image.
const (
	groupMean = iota
	groupA
	groupB
	groupC
	groupLines
)

// newGroupNormGrad is nil where there is nothing to gain.
func newGroupNormGrad(p *GradPrep, s normSets) *groupNormGrad {
	c := s.groups * s.width
	if p.Reference || s.pos < 2 || s.outer*c == 0 {
		return nil
	}
	k := &groupNormGrad{normGrad: newNormGrad(s), lines: newChannelLines(tensor.Of(s.pos, c))}
	k.partial = roundUp(4*k.lines.blocks*c, 16)
	k.shared = s.outer * (k.partial + groupLines*k.lines.width())
	k.fresh = p.writes(0)
	k.add.k = k
	p.NeedScratch(4 * (k.shared + (1+2*max(1, p.Threads))*k.lines.width()))
	return k
}

func (k *groupNormGrad) Run(g *Grads) {
	clear(k.line(g, 0))
	if k.careless(g) {
		if dx := gradOf(g, 0); k.fresh && !dx.IsZero() {
			clear(dx.F32())
		}
		k.normGrad.Run(g)
		return
	}
	kept := tensor.CastSlice[float32](g.Aux)
	for o := range k.outer {
		_, lines := k.image(g, o)
		for c := range k.lines.c {
			lines[groupMean][c] = kept[2*(o*k.groups+c/k.width)]
		}
		k.lines.repeat(lines[groupMean])
	}
	g.Parallel(k.outer*k.lines.blocks, k)
	k.affineGrads(g)
	if gradOf(g, 0).IsZero() {
		return
	}
	k.factors(g)
	g.Parallel(k.outer*k.lines.blocks, &k.add)
}

// careless says that a mean is so large beside its deviation that b*x + c would lose too much.
func (k *groupNormGrad) careless(g *Grads) bool {
	kept := tensor.CastSlice[float32](g.Aux)
	for set := range k.sets() {
		if r := float64(kept[2*set]) * float64(kept[2*set+1]); !(r*r < careful) {
			return true
		}
	}
	return false
}

// image is the sums and lines of one.
func (k *groupNormGrad) image(g *Grads, o int) (sums []float32, lines [groupLines][]float32) {
	s := tensor.CastSlice[float32](g.Scratch)[o*(k.partial+groupLines*k.lines.width()):]
	for i := range lines {
		lines[i] = s[k.partial+i*k.lines.width():][:k.lines.n]
	}
	return s[:k.partial], lines
}

// line is the zeros, then each worker's two lines.
func (k *groupNormGrad) line(g *Grads, i int) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[k.shared+i*k.lines.width():][:k.lines.n]
}

// Do sums a block of an image.
func (k *groupNormGrad) Do(g *Grads, i, worker int) {
	o, block := i/k.lines.blocks, i%k.lines.blocks
	sums, lines := k.image(g, o)
	sum, cross := k.lines.partial(sums, block)
	clear(sum)
	clear(cross)
	size := k.pos * k.lines.c
	x, d, zero := gradArg(g, 0).F32()[o*size:], g.DOut.F32()[o*size:], k.line(g, 0)
	l := kern.NormLines{Mean: lines[groupMean], Scale: zero, Shift: zero, Sums: k.line(g, 1+2*worker), Cross: k.line(g, 2+2*worker), Lo: negInf, Hi: posInf}
	for i := 0; ; i++ {
		at, n, rows := k.lines.run(block, i)
		if rows == 0 {
			return
		}
		l.X, l.D, l.N, l.Lines = x[at:], d[at:], n, rows
		clear(l.Sums)
		clear(l.Cross)
		l.GradSums()
		k.lines.fold(sum, l.Sums[:n])
		k.lines.fold(cross, l.Cross[:n])
	}
}

// affineGrads adds to the gradients of scale and bias.
func (k *groupNormGrad) affineGrads(g *Grads) {
	kept := tensor.CastSlice[float32](g.Aux)
	for which := range 2 {
		d := gradOf(g, 1+which)
		if d.IsZero() {
			continue
		}
		of, each := 0.0, d.F32()
		for c := range k.lines.c {
			for o := range k.outer {
				sums, _ := k.image(g, o)
				sum, cross := k.lines.total(sums, c)
				if which == 0 {
					sum = cross * float64(kept[2*(o*k.groups+c/k.width)+1])
				}
				of += sum
			}
			at, last := c, true
			if k.normSets.perGroup[which] {
				at, last = c/k.width, c%k.width == k.width-1
			}
			if last {
				each[at] += float32(of)
				of = 0
			}
		}
	}
}

// factors makes a, b and c of every image.
func (k *groupNormGrad) factors(g *Grads) {
	kept := tensor.CastSlice[float32](g.Aux)
	var scale []float32
	if len(g.In)+len(g.Params) > 1 {
		scale = gradArg(g, 1).F32()
	}
	n := float64(k.pos * k.width)
	for set := range k.sets() {
		o, group := set/k.groups, set%k.groups
		sums, lines := k.image(g, o)
		mean, inv := float64(kept[2*set]), float64(kept[2*set+1])
		sum, cross := 0.0, 0.0
		for j := range k.width {
			s, x := k.lines.total(sums, group*k.width+j)
			f := k.affineAt(scale, 0, group, j)
			sum += f * s
			cross += f * x
		}
		b := -inv * inv * inv * cross / n
		shift := float32(-inv*sum/n - b*mean)
		for j := range k.width {
			c := group*k.width + j
			lines[groupA][c], lines[groupB][c], lines[groupC][c] = float32(k.affineAt(scale, 0, group, j)*inv), float32(b), shift
		}
	}
	for o := range k.outer {
		_, lines := k.image(g, o)
		for i := groupA; i < groupLines; i++ {
			k.lines.repeat(lines[i])
		}
	}
}

// groupNormGradAdd computes a block of an image's dx.
type groupNormGradAdd struct{ k *groupNormGrad }

func (t *groupNormGradAdd) Do(g *Grads, i, _ int) {
	k := t.k
	o, block := i/k.lines.blocks, i%k.lines.blocks
	_, lines := k.image(g, o)
	size := k.pos * k.lines.c
	x, d, dx, zero := gradArg(g, 0).F32()[o*size:], g.DOut.F32()[o*size:], gradOf(g, 0).F32()[o*size:], k.line(g, 0)
	l := kern.NormLines{A: lines[groupA], B: lines[groupB], C: lines[groupC], Scale: zero, Shift: zero, Lo: negInf, Hi: posInf}
	for i := 0; ; i++ {
		at, n, rows := k.lines.run(block, i)
		if rows == 0 {
			return
		}
		l.X, l.D, l.Dst, l.N, l.Lines = x[at:], d[at:], dx[at:], n, rows
		l.Grad(!k.fresh)
	}
}
