package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// gradOptions changes what checkGrad does.
type gradOptions struct {
	Step       float64 // of the differences; 0 means 0.02
	Tolerance  float64 // relative error in norm; 0 means 1e-4
	FrozenNorm bool
	Seed       uint64
	NoParam    []int // parameters that have no gradient
	NoIn       []int // inputs that have none
}

// checkGrad compares op's gradient with finite differences of its reference
// forward run, for every f32 operand: of sum over i of r[i]*out[i] with random
// r. The differences are central with five points and the sums in float64, so
// that they are good to about 1e-5. It checks the plain gradient, then that the
// fast one agrees on 1 and on 3 threads (bit for bit between those), that
// gradients accumulate, and that nothing is read that Keeps did not name.
func checkGrad(t *testing.T, op Op, in, params []tensor.Tensor) {
	t.Helper()
	checkGradWith(t, op, in, params, gradOptions{})
}

func checkGradWith(t *testing.T, op Op, in, params []tensor.Tensor, o gradOptions) {
	t.Helper()
	checkApart(t, op, in, params)
	if o.Step == 0 {
		o.Step = 0.02
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-4
	}
	c := &gradChecker{op: op, in: in, params: params, gradOptions: o}
	out := c.forward(t, true)
	rng := rand.New(rand.NewPCG(1, 2))
	c.weights = make([]float32, out.Shape.Elems())
	for i := range c.weights {
		c.weights[i] = float32(rng.NormFloat64())
	}
	plain := c.backward(t, true, nil)
	for i, x := range append(append([]tensor.Tensor{}, in...), params...) {
		if plain[i].IsZero() {
			continue
		}
		want := c.differences(t, x)
		got := plain[i].F32()
		e := relativeError(got, want)
		require.LessOrEqual(t, e, o.Tolerance, "%v: gradient of operand %d: got %v, want %v", op.Kind(), i, got, want)
	}
	one := c.backward(t, false, nil)
	pool := closing(t, 3)
	three := c.backward(t, false, pool)
	for i := range plain {
		if plain[i].IsZero() {
			continue
		}
		want := make([]float64, 0, len(plain[i].F32()))
		for _, v := range plain[i].F32() {
			want = append(want, float64(v))
		}
		e := relativeError(one[i].F32(), want)
		require.LessOrEqual(t, e, 1e-5, "%v: fast gradient of operand %d", op.Kind(), i)
		require.Equal(t, one[i].Data, three[i].Data, "%v: gradient of operand %d on 1 and 3 threads", op.Kind(), i)
	}
	c.replace = true
	for _, reference := range []bool{true, false} {
		for i, x := range c.backward(t, reference, pool) {
			if !x.IsZero() {
				require.LessOrEqual(t, relative(x.F32(), one[i].F32()), 1e-5, "%v: gradient of operand %d where there was none", op.Kind(), i)
			}
		}
	}
}

type gradChecker struct {
	gradOptions
	op         Op
	in, params []tensor.Tensor
	weights    []float32 // of the loss, one an output element

	aux     []byte
	out     tensor.Tensor
	replace bool // inputs have no gradients yet, and nothing else reads them
}

func (c *gradChecker) prep(reference bool, threads int) *Prep {
	return &Prep{In: Specs(c.in), Params: c.params, Threads: threads, Reference: reference, Training: true, FrozenNorm: c.FrozenNorm}
}

// forward runs a training step's forward kernel on copies of the parameters,
// which batch norm changes.
func (c *gradChecker) forward(t *testing.T, reference bool) tensor.Tensor {
	t.Helper()
	p := c.prep(reference, 1)
	p.Params = cloneAll(c.params)
	out, err := c.op.Infer(p.In, Specs(p.Params))
	require.NoError(t, err)
	p.Out = out
	k, err := PrepareLive(c.op, p)
	require.NoError(t, err)
	r := p.Requests()
	c.out = tensor.New(out)
	c.aux = tensor.AlignedBytes(r.Aux)
	if r.View >= 0 {
		copy(c.out.Data, c.in[r.View].Data)
	}
	if k != nil {
		k.Run(&Args{In: c.in, Out: c.out, Scratch: tensor.AlignedBytes(r.Scratch), Aux: c.aux, Seed: c.Seed})
	}
	return c.out
}

// loss is the sum that is differentiated.
func (c *gradChecker) loss(t *testing.T) (sum float64) {
	for i, v := range c.forward(t, true).F32() {
		sum += float64(v) * float64(c.weights[i])
	}
	return sum
}

func (c *gradChecker) differences(t *testing.T, x tensor.Tensor) []float64 {
	v := x.F32()
	d := make([]float64, len(v))
	for i, was := range v {
		// Steps are measured as float32 sees them.
		at := func(h float64) (loss, x float64) {
			v[i] = float32(float64(was) + h)
			return c.loss(t), float64(v[i])
		}
		p1, xp1 := at(c.Step)
		m1, xm1 := at(-c.Step)
		p2, xp2 := at(2 * c.Step)
		m2, xm2 := at(-2 * c.Step)
		v[i] = was
		near, far := (p1-m1)/(xp1-xm1), (p2-m2)/(xp2-xm2)
		d[i] = (4*near - far) / 3
	}
	return d
}

func has(list []int, i int) bool {
	for _, v := range list {
		if v == i {
			return true
		}
	}
	return false
}

// backward returns the gradients of inputs, then parameters.
func (c *gradChecker) backward(t *testing.T, reference bool, pool *Workers) []tensor.Tensor {
	t.Helper()
	d, ok := c.op.(Differentiable)
	require.True(t, ok, "%v is not Differentiable", c.op.Kind())
	c.forward(t, reference)
	p := &GradPrep{In: Specs(c.in), Params: c.params, Out: c.out.Spec, Threads: pool.Threads(), Reference: reference, FrozenNorm: c.FrozenNorm}
	g := &Grads{Params: c.params, Aux: c.aux, Pool: pool}
	keep := d.Keeps(p.In, Specs(c.params))
	grad := func(x tensor.Tensor, skip bool) tensor.Tensor {
		if x.DType != tensor.F32 || skip {
			return tensor.Tensor{}
		}
		n := tensor.New(x.Spec)
		for i := range n.F32() {
			n.F32()[i] = gradStart
		}
		return n
	}
	for i, x := range c.in {
		kept := keep&KeepIn != 0 || keep&KeepIn0 != 0 && i == 0 || keep&KeepIn1 != 0 && i == 1
		g.In = append(g.In, keptOrNaN(x, kept))
		g.DIn = append(g.DIn, grad(x, has(c.NoIn, i)))
		p.NeedIn = append(p.NeedIn, !g.DIn[i].IsZero())
	}
	for i, x := range c.params {
		g.DParams = append(g.DParams, grad(x, has(c.NoParam, i)))
		p.NeedParam = append(p.NeedParam, !g.DParams[i].IsZero())
	}
	g.Out = keptOrNaN(c.out, keep&KeepOut != 0)
	g.DOut = tensor.New(c.out.Spec)
	copy(g.DOut.F32(), c.weights)
	for i, x := range c.in {
		p.Fresh = append(p.Fresh, c.replace && p.NeedIn[i])
		p.Sole = append(p.Sole, p.Fresh[i] && x.Shape.Elems() == c.out.Shape.Elems())
	}
	k, err := d.Backward(p)
	require.NoError(t, err)
	replaced := make([]bool, len(c.in))
	for i := range c.in {
		if p.Shares() == i {
			g.DIn[i].Data, replaced[i] = g.DOut.Data, true
		} else if p.Sets(i) {
			g.DIn[i], replaced[i] = keptOrNaN(g.DIn[i], false), true
		}
	}
	g.Scratch = tensor.AlignedBytes(p.ScratchSize())
	for i := range g.Scratch {
		g.Scratch[i] = 0xff // NaNs: scratch is not cleared
	}
	k.Run(g)
	out := append(g.DIn, g.DParams...)
	for j, x := range out {
		if !x.IsZero() && !(j < len(replaced) && replaced[j]) {
			for i := range x.F32() {
				x.F32()[i] -= gradStart
			}
		}
	}
	return out
}

// gradStart is what gradients hold before a run adds to them.
const gradStart = 0.5

func keptOrNaN(x tensor.Tensor, kept bool) tensor.Tensor {
	if kept {
		return x
	}
	n := tensor.New(x.Spec)
	for i := range n.Data {
		n.Data[i] = 0xff
	}
	return n
}

func cloneAll(ts []tensor.Tensor) []tensor.Tensor {
	var out []tensor.Tensor
	for _, x := range ts {
		out = append(out, x.Clone())
	}
	return out
}

// relativeError is |got-want| / (|want| + 1e-3) in the Euclidean norm. A NaN
// gives +Inf.
func relativeError(got []float32, want []float64) float64 {
	var num, den float64
	for i, v := range got {
		num += (float64(v) - want[i]) * (float64(v) - want[i])
		den += want[i] * want[i]
	}
	e := math.Sqrt(num) / (math.Sqrt(den) + 1e-3)
	if e != e {
		return math.Inf(1)
	}
	return e
}

// closing is workers that stop with the test, and not whenever garbage is
// collected, which allocates while others count.
func closing(t *testing.T, threads int) *Workers {
	w := NewWorkers(threads)
	t.Cleanup(w.Close)
	return w
}

// normalTensor is normally distributed numbers from a seed.
func normalTensor(seed uint64, dims ...int) tensor.Tensor {
	rng := rand.New(rand.NewPCG(seed, 7))
	x := tensor.New(tensor.F32Spec(dims...))
	for i := range x.F32() {
		x.F32()[i] = float32(rng.NormFloat64())
	}
	return x
}

// awayFrom is normalTensor with every element at least gap away from the kinks.
func awayFrom(seed uint64, gap float64, kinks []float64, dims ...int) tensor.Tensor {
	x := normalTensor(seed, dims...)
	for i, v := range x.F32() {
		for _, k := range kinks {
			if d := float64(v) - k; math.Abs(d) < gap {
				v = float32(k + math.Copysign(gap*1.5, d))
			}
		}
		x.F32()[i] = v
	}
	return x
}

// checkFast compares the fast path with the reference, on 1 and on 3 threads,
// which must agree in every bit, and checks that a run does not allocate.
func checkFast(t *testing.T, op Op, in, params []tensor.Tensor, tolerance float64) {
	t.Helper()
	checkApart(t, op, in, params)
	want, err := Run(op, in, params)
	require.NoError(t, err)
	one, err := RunPrepared(op, in, params, &Prep{Threads: 1}, nil)
	require.NoError(t, err)
	pool := closing(t, 3)
	three, err := RunPrepared(op, in, params, &Prep{Threads: 3}, pool)
	require.NoError(t, err)
	require.Equal(t, one.Data, three.Data, "%v: result on 1 and 3 threads", op.Kind())
	if want.DType != tensor.F32 {
		require.Equal(t, want.Data, one.Data)
		checkInPlace(t, op, in, params, one)
		return
	}
	for i, w := range want.F32() {
		g := one.F32()[i]
		if w != w || math.IsInf(float64(w), 0) {
			require.Equal(t, fmt.Sprint(w), fmt.Sprint(g), "element %d", i)
			continue
		}
		if d := math.Abs(float64(w) - float64(g)); !(d <= tolerance*(1+math.Abs(float64(w)))) {
			require.Fail(t, "fast path differs", "%v: element %d: got %v, want %v", op.Kind(), i, g, w)
		}
	}
	checkAllocs(t, op, in, params, pool)
	checkInPlace(t, op, in, params, one)
}

// checkInPlace runs the fast path in the memory of each input that it promised
// to work in.
func checkInPlace(t *testing.T, op Op, in, params []tensor.Tensor, want tensor.Tensor) {
	t.Helper()
	p := &Prep{In: Specs(in), Params: params, Out: want.Spec, Threads: 1}
	k, err := PrepareLive(op, p)
	require.NoError(t, err)
	r := p.Requests()
	for _, i := range r.InPlace {
		own := cloneAll(in)
		out := tensor.Tensor{Spec: want.Spec, Data: own[i].Data}
		k.Run(&Args{In: own, Out: out, Scratch: tensor.AlignedBytes(r.Scratch), Aux: tensor.AlignedBytes(r.Aux)})
		require.Equal(t, want.Data, out.Data, "%v in place of input %d", op.Kind(), i)
	}
}

// checkAllocs fails when a fast run allocates.
func checkAllocs(t *testing.T, op Op, in, params []tensor.Tensor, pool *Workers) {
	t.Helper()
	p := &Prep{In: Specs(in), Params: params, Threads: pool.Threads()}
	var err error
	p.Out, err = op.Infer(p.In, Specs(params))
	require.NoError(t, err)
	k, err := PrepareLive(op, p)
	require.NoError(t, err)
	if k == nil {
		return
	}
	r := p.Requests()
	a := &Args{In: in, Out: tensor.New(p.Out), Scratch: tensor.AlignedBytes(r.Scratch), Aux: tensor.AlignedBytes(r.Aux), Pool: pool}
	noAllocs(t, 5, func() { k.Run(a) }, "%v allocates", op.Kind())
}

// noAllocs fails when f allocates. The count is the whole process's, so a
// collection ends before it, with what it starts in the background, and none
// begins during it.
func noAllocs(t *testing.T, runs int, f func(), msg ...any) {
	t.Helper()
	goruntime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	require.Zero(t, testing.AllocsPerRun(runs, f), msg...)
}
