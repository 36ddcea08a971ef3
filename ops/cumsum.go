package ops

import "github.com/teff-ml/teff/ops/tensor"

// CumSum is the running sum along Axis: y[i] = sum over j <= i of x[j], without
// j = i when Exclusive, from the end when Reverse. f32 (summed in float64),
// i32, i64.
type CumSum struct {
	Axis      int
	Exclusive bool
	Reverse   bool
}

// Kind is KindCumSum.
func (*CumSum) Kind() Kind { return KindCumSum }

// Fields lists the attributes.
func (o *CumSum) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	f.Bool("exclusive", &o.Exclusive)
	f.Bool("reverse", &o.Reverse)
}

// Infer is the operand's spec.
func (o *CumSum) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	x, err := wantOperands(KindCumSum, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if _, _, _, err := axisOf(KindCumSum, x[0].Shape, o.Axis); err != nil {
		return tensor.Spec{}, err
	}
	if d := x[0].DType; d != tensor.I32 && d != tensor.I64 {
		if err := wantF32(KindCumSum, "input", &x[0]); err != nil {
			return tensor.Spec{}, err
		}
	}
	return x[0], nil
}

// Prepare picks lines side by side or one by one.
func (o *CumSum) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	outer, n, inner, err := axisOf(KindCumSum, x.Shape, o.Axis)
	if err != nil {
		return nil, err
	}
	if len(p.In) > 0 {
		p.InPlace(0)
	}
	p.Path("reference")
	k := &cumSumKernel{newLines(outer, n, inner), o.Exclusive, o.Reverse, false, p.Params}
	if k.cols = !p.Reference && x.DType == tensor.F32 && inner >= 8 && !o.Exclusive; k.cols {
		p.Path("vec")
	}
	return k, nil
}

type cumSumKernel struct {
	lines
	exclusive, reverse bool
	cols               bool
	params             []tensor.Tensor
}

func (k *cumSumKernel) Run(a *Args) {
	if k.cols {
		a.Parallel(k.outer*((k.inner+reduceCols-1)/reduceCols), k)
		return
	}
	a.Parallel(k.tasks(), k)
}

// columns sums w neighbouring lines; y may be x.
func (k *cumSumKernel) columns(y, x []float32, w int) {
	var sums [reduceCols]float64
	at, step := 0, k.inner
	if k.reverse {
		at, step = (k.n-1)*k.inner, -k.inner
	}
	for range k.n {
		to, s := y[at:at+w], sums[:w]
		for c, v := range x[at : at+w] {
			s[c] += float64(v)
			to[c] = float32(s[c])
		}
		at += step
	}
}

func (k *cumSumKernel) Do(a *Args, i, _ int) {
	x := arg(a, k.params, 0)
	if k.cols {
		parts := (k.inner + reduceCols - 1) / reduceCols
		c := i % parts * reduceCols
		at := i/parts*k.n*k.inner + c
		k.columns(f32(&a.Out)[at:], f32(x)[at:], min(reduceCols, k.inner-c))
		return
	}
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at := k.at(l)
		switch x.DType {
		case tensor.I32:
			cumSumLine[int32, int32](k, i32(&a.Out)[at:], i32(x)[at:], false)
		case tensor.I64:
			cumSumLine[int64, int64](k, i64(&a.Out)[at:], i64(x)[at:], false)
		default:
			cumSumLine[float32, float64](k, f32(&a.Out)[at:], f32(x)[at:], false)
		}
	}
}

// cumSumLine sums one line, with sums of type S; dst may be x unless it adds.
func cumSumLine[T, S float32 | float64 | int32 | int64](k *cumSumKernel, dst, x []T, add bool) {
	var sum S
	for j := range k.n {
		if k.reverse {
			j = k.n - 1 - j
		}
		o := j * k.inner
		before := sum
		sum += S(x[o])
		v := T(sum)
		if k.exclusive {
			v = T(before)
		}
		if add {
			v += dst[o]
		}
		dst[o] = v
	}
}

// Keeps is nothing.
func (*CumSum) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward prepares dx += the running sum of dy from the other end.
func (o *CumSum) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if x.DType != tensor.F32 {
		return nil, errf(KindCumSum, "has no gradient on %v", x.DType)
	}
	outer, n, inner, err := axisOf(KindCumSum, x.Shape, o.Axis)
	return &cumSumGrad{cumSumKernel{newLines(outer, n, inner), o.Exclusive, !o.Reverse, false, nil}}, err
}

type cumSumGrad struct{ k cumSumKernel }

func (t *cumSumGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(t.k.tasks(), t)
	}
}

func (t *cumSumGrad) Do(g *Grads, i, _ int) {
	from, to := t.k.of(i)
	for l := from; l < to; l++ {
		at := t.k.at(l)
		cumSumLine[float32, float64](&t.k, gradOf(g, 0).F32()[at:], g.DOut.F32()[at:], true)
	}
}
