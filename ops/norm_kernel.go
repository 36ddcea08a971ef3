package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// normSets is how GroupNorm and LayerNorm split their operand: sets of
// elements with one mean and variance each. Set (o, g) is the channels of
// group g at all positions of outer index o: element j at position p is at
// ((o*pos+p)*groups+g)*width + j. A layer norm has one group and one position.
type normSets struct {
	outer, pos, groups, width int
	eps                       float64
	perGroup                  [2]bool // scale, bias have one value a group
	chunk                     int     // sets of a task
}

func newNormSets(outer, pos, groups, width int, eps float32, affine []tensor.Spec) normSets {
	s := normSets{outer: outer, pos: pos, groups: groups, width: width, eps: float64(eps)}
	for i, t := range affine {
		s.perGroup[i] = t.Shape.Elems() != groups*width
	}
	s.chunk = max(1, chunkElems/max(1, pos*width))
	return s
}

func (s *normSets) sets() int { return s.outer * s.groups }

func (s *normSets) tasks() int { return (s.sets() + s.chunk - 1) / s.chunk }

// row is where position p of a set starts.
func (s *normSets) row(set, p int) int {
	o, g := set/s.groups, set%s.groups
	return ((o*s.pos+p)*s.groups + g) * s.width
}

// affineAt is the value of scale (which 0) or bias (1) of element j of a group.
//
//go:noinline
func (s *normSets) affineAt(v []float32, which, g, j int) float64 {
	switch {
	case v == nil:
		return float64(1 - which)
	case s.perGroup[which]:
		return float64(v[g])
	}
	return float64(v[g*s.width+j])
}

// stats is the mean and the inverse standard deviation of a set.
//
//go:noinline
func (s *normSets) stats(x []float32, set int) (mean, inv float64) {
	n := float64(s.pos * s.width)
	sum, square := 0.0, 0.0
	for p := range s.pos {
		for _, v := range x[s.row(set, p):][:s.width] {
			sum += float64(v)
		}
	}
	mean = sum / n
	for p := range s.pos {
		for _, v := range x[s.row(set, p):][:s.width] {
			d := float64(v) - mean
			square += d * d
		}
	}
	return mean, 1 / math.Sqrt(square/n+s.eps)
}

// normKernel is the forward kernel, parallel over sets: the reference, summed in
// float64, or rows on vector units where a set is one.
type normKernel struct {
	normSets
	params   []tensor.Tensor
	operands int
	output   int // 0 y, 1 means, 2 inverse standard deviations
	vec      bool
}

// prepareNorm asks for what a norm needs.
func prepareNorm(p *Prep, s normSets, output int) Kernel {
	if output == 0 {
		if len(p.In) > 0 {
			p.InPlace(0)
		}
		if p.Training {
			p.NeedAux(8 * s.sets())
		}
	}
	k := &normKernel{s, p.Params, len(p.In) + len(p.Params), output, false}
	k.vec = !p.Reference && output == 0 && s.pos == 1 && s.groups == 1 && s.perGroup == [2]bool{}
	p.Path("reference")
	if k.vec {
		p.Path("vec")
	} else if !p.Reference {
		if f := k.prepareFast(p); f != nil {
			return f
		}
	}
	return k
}

func (k *normKernel) Run(a *Args) { a.Parallel(k.tasks(), k) }

func (k *normKernel) Do(a *Args, task, _ int) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	var scale, bias []float32
	if k.operands > 1 {
		scale = argF32(a, k.params, 1)
	}
	if k.operands > 2 {
		bias = argF32(a, k.params, 2)
	}
	kept := tensor.CastSlice[float32](a.Aux)
	for set := task * k.chunk; set < min(k.sets(), (task+1)*k.chunk); set++ {
		if k.vec {
			at := set * k.width
			mean, inv := k.vector(y[at:at+k.width], x[at:at+k.width], scale, bias)
			if len(kept) > 0 {
				kept[2*set], kept[2*set+1] = mean, inv
			}
			continue
		}
		mean, inv := k.stats(x, set)
		switch k.output {
		case 1:
			y[set] = float32(mean)
			continue
		case 2:
			y[set] = float32(inv)
			continue
		}
		if len(kept) > 0 {
			kept[2*set], kept[2*set+1] = float32(mean), float32(inv)
		}
		g := set % k.groups
		for p := range k.pos {
			at := k.row(set, p)
			for j := range k.width {
				v := (float64(x[at+j]) - mean) * inv
				y[at+j] = float32(v*k.affineAt(scale, 0, g, j) + k.affineAt(bias, 1, g, j))
			}
		}
	}
}

// vector normalises one row in float32, as the reference does in two passes: the
// sum of squares is that of differences from the mean. Where the mean is not
// small beside the deviation its rounding would show: it is taken out then. What is so
// large that sums, differences or squares would be no numbers is made small before them.
func (k *normKernel) vector(y, x, scale, bias []float32) (mean, inv float32) {
	const small = 0x1p-80
	n, down, meanDown := float64(max(1, len(x))), 1.0, 1.0
	mean = float32(float64(kern.SumF32(x)) / n)
	if !(math.Abs(float64(mean)) < 1e30) { // below, no difference is larger than the largest number
		down, meanDown = small, small
		kern.BinaryScalarF32(kern.Mul, y, x, small, negInf, posInf)
		x, mean = y, float32(float64(kern.SumF32(y))/n)
	}
	kern.BinaryScalarF32(kern.Sub, y, x, mean, negInf, posInf)
	variance := float64(kern.SumSquaresF32(y)) / n
	if math.IsInf(variance, 1) && down == 1 { // from 1.8e19 on
		down = small
		kern.BinaryScalarF32(kern.Mul, y, y, small, negInf, posInf)
		variance = float64(kern.SumSquaresF32(y)) / n
	}
	if m := float64(mean) * (down / meanDown); m*m > variance {
		rest := float32(float64(kern.SumF32(y)) / n)
		kern.BinaryScalarF32(kern.Sub, y, y, rest, negInf, posInf)
		mean, variance = mean+float32(float64(rest)*(meanDown/down)), float64(kern.SumSquaresF32(y))/n
	}
	deviation := math.Sqrt(variance/(down*down) + k.eps)
	kern.BinaryScalarF32(kern.Mul, y, y, float32(1/(deviation*down)), negInf, posInf)
	switch {
	case bias != nil:
		kern.ScaleShiftF32(y, y, scale, bias, negInf, posInf)
	case scale != nil:
		kern.BinaryF32(kern.Mul, y, y, scale, negInf, posInf)
	}
	return float32(float64(mean) / meanDown), float32(1 / deviation)
}

// normGrad computes, with xhat the normalised x, t = dy*scale and means over a
// set,
//
//	dx     += (t - mean of t - xhat * mean of t*xhat) / sqrt(var+eps)
//	dscale += sum of dy*xhat,   dbias += sum of dy
type normGrad struct {
	normSets
	affine normGradAffine
}

func newNormGrad(s normSets) *normGrad {
	k := &normGrad{normSets: s}
	k.affine.k = k
	return k
}

func (k *normGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(k.tasks(), k)
	}
	if !gradOf(g, 1).IsZero() || !gradOf(g, 2).IsZero() {
		g.Parallel((k.groups*k.width+sumWidth-1)/sumWidth, &k.affine)
		k.affine.perGroup(g)
	}
}

func (k *normGrad) Do(g *Grads, task, _ int) {
	x, d, dx := gradArg(g, 0).F32(), g.DOut.F32(), gradOf(g, 0).F32()
	var scale []float32
	if len(g.In)+len(g.Params) > 1 {
		scale = gradArg(g, 1).F32()
	}
	kept := tensor.CastSlice[float32](g.Aux)
	n := float64(k.pos * k.width)
	for set := task * k.chunk; set < min(k.sets(), (task+1)*k.chunk); set++ {
		mean, inv, group := float64(kept[2*set]), float64(kept[2*set+1]), set%k.groups
		sum, cross := 0.0, 0.0
		for p := range k.pos {
			at := k.row(set, p)
			for j := range k.width {
				t := float64(d[at+j]) * k.affineAt(scale, 0, group, j)
				sum += t
				cross += t * (float64(x[at+j]) - mean) * inv
			}
		}
		for p := range k.pos {
			at := k.row(set, p)
			for j := range k.width {
				t := float64(d[at+j]) * k.affineAt(scale, 0, group, j)
				hat := (float64(x[at+j]) - mean) * inv
				dx[at+j] += float32((t - sum/n - hat*cross/n) * inv)
			}
		}
	}
}

// normGradAffine sums the gradients of scale and bias, some channels a task.
type normGradAffine struct{ k *normGrad }

func (t *normGradAffine) Do(g *Grads, i, _ int) {
	k := t.k
	dscale, dbias := t.each(g, 0), t.each(g, 1)
	for c := i * sumWidth; c < min(k.groups*k.width, (i+1)*sumWidth); c++ {
		sum, cross := t.channel(g, c)
		if dscale != nil {
			dscale[c] += float32(cross)
		}
		if dbias != nil {
			dbias[c] += float32(sum)
		}
	}
}

// each is the gradient of scale (0) or bias (1) when it has a value a channel.
func (t *normGradAffine) each(g *Grads, which int) []float32 {
	if d := gradOf(g, 1+which); !d.IsZero() && !t.k.normSets.perGroup[which] {
		return d.F32()
	}
	return nil
}

// channel is the sums of dy and dy*xhat of channel c.
func (t *normGradAffine) channel(g *Grads, c int) (sum, cross float64) {
	k := t.k
	x, d, kept := gradArg(g, 0).F32(), g.DOut.F32(), tensor.CastSlice[float32](g.Aux)
	group, j := c/k.width, c%k.width
	for o := range k.outer {
		set := o*k.groups + group
		mean, inv := float64(kept[2*set]), float64(kept[2*set+1])
		for p := range k.pos {
			at := k.row(set, p) + j
			v := float64(d[at])
			sum += v
			cross += v * (float64(x[at]) - mean) * inv
		}
	}
	return sum, cross
}

// perGroup adds the gradients of a scale or bias with one value a group.
func (t *normGradAffine) perGroup(g *Grads) {
	k := t.k
	for which, on := range k.normSets.perGroup {
		d := gradOf(g, 1+which)
		if !on || d.IsZero() {
			continue
		}
		for group := range k.groups {
			total := 0.0
			for j := range k.width {
				sum, cross := t.channel(g, group*k.width+j)
				if which == 0 {
					sum = cross
				}
				total += sum
			}
			d.F32()[group] += float32(total)
		}
	}
}

// keepNorm is x, and the scale where it is an input.
func keepNorm(in []tensor.Spec) Keep {
	if len(in) > 1 {
		return KeepIn
	}
	return KeepIn0
}
