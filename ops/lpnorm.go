package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// LpNorm divides by the norm along Axis:
//
//	y[i] = x[i] / max(norm, Eps),   norm = sum of |x[j]| (P = 1) or square root of the sum of x[j]² (P = 2)
//
// with sums in float64; where norm and Eps are 0, y is 0. One operand, f32.
type LpNorm struct {
	P    int // 1 or 2
	Axis int
	Eps  float32
}

// Kind is KindLpNorm.
func (*LpNorm) Kind() Kind { return KindLpNorm }

// Fields lists the attributes.
func (o *LpNorm) Fields(f Fields) {
	f.Int("p", &o.P)
	f.Int("axis", &o.Axis)
	f.Float("eps", &o.Eps)
}

// Infer is the operand's spec.
func (o *LpNorm) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindLpNorm, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o.P != 1 && o.P != 2 {
		return tensor.Spec{}, errf(KindLpNorm, "p is %d, want 1 or 2", o.P)
	}
	if !(o.Eps >= 0) {
		return tensor.Spec{}, errf(KindLpNorm, "eps is %v", o.Eps)
	}
	if _, _, _, err := axisOf(KindLpNorm, s[0].Shape, o.Axis); err != nil {
		return tensor.Spec{}, err
	}
	return s[0], wantF32(KindLpNorm, "input", &s[0])
}

// Prepare has one path, parallel over lines.
func (o *LpNorm) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	outer, n, inner, err := axisOf(KindLpNorm, x.Shape, o.Axis)
	if err != nil {
		return nil, err
	}
	if len(p.In) > 0 {
		p.InPlace(0)
	}
	k := &lpNormKernel{lines: newLines(outer, n, inner), p: o.P, eps: float64(o.Eps), params: p.Params}
	p.Path("reference")
	if k.vec = !p.Reference && o.P == 2 && inner == 1 && n >= reduceLine; k.vec {
		k.l2 = reduceRows{fn: ReduceL2}
		p.Path("vec")
	}
	return k, nil
}

type lpNormKernel struct {
	lines
	p      int
	eps    float64
	params []tensor.Tensor
	vec    bool
	l2     reduceRows // of a line in one piece
}

// norm is the norm of the line that starts x.
func (k *lpNormKernel) norm(x []float32) (sum float64) {
	for j := range k.n {
		v := float64(x[j*k.inner])
		if k.p == 1 {
			sum += math.Abs(v)
		} else {
			sum += v * v
		}
	}
	if k.p == 2 {
		return math.Sqrt(sum)
	}
	return sum
}

// inverse is what a line is multiplied by.
func (k *lpNormKernel) inverse(norm float64) float64 {
	if n := max(norm, k.eps); n != 0 {
		return 1 / n
	}
	return 0
}

func (k *lpNormKernel) Run(a *Args) { a.Parallel(k.tasks(), k) }

func (k *lpNormKernel) Do(a *Args, i, _ int) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at := k.at(l)
		if k.vec {
			row := x[at:][:k.n]
			scalarStep(kern.Mul, y[at:][:k.n], row, float32(k.inverse(float64(k.l2.line(row)))))
			continue
		}
		f := k.inverse(k.norm(x[at:]))
		for j := range k.n {
			o := at + j*k.inner
			y[o] = float32(float64(x[o]) * f)
		}
	}
}

// Keeps is the operand.
func (*LpNorm) Keeps(in, params []tensor.Spec) Keep { return KeepIn0 }

// Backward prepares dx[i] += (dy[i] - u[i] * sum over j of dy[j]*y[j]) / norm,
// with u the sign of x (P = 1) or y (P = 2); where Eps counts, dy[i]/Eps.
func (o *LpNorm) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	outer, n, inner, err := axisOf(KindLpNorm, x.Shape, o.Axis)
	return &lpNormGrad{lpNormKernel{lines: newLines(outer, n, inner), p: o.P, eps: float64(o.Eps)}}, err
}

type lpNormGrad struct{ k lpNormKernel }

func (t *lpNormGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(t.k.tasks(), t)
	}
}

func (t *lpNormGrad) Do(g *Grads, i, _ int) {
	k := &t.k
	x, d, dx := gradArg(g, 0).F32(), g.DOut.F32(), gradOf(g, 0).F32()
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at := k.at(l)
		norm := k.norm(x[at:])
		f, cross := k.inverse(norm), 0.0
		if norm > k.eps {
			for j := range k.n {
				o := at + j*k.inner
				cross += float64(d[o]) * float64(x[o]) * f
			}
		}
		for j := range k.n {
			o := at + j*k.inner
			u := plain64(UnarySign, float64(x[o]))
			if k.p == 2 {
				u = float64(x[o]) * f
			}
			dx[o] += float32((float64(d[o]) - u*cross) * f)
		}
	}
}
