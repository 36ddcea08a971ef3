package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// GlobalPool reduces all spatial positions of each channel to one:
// [n, spatial..., c] to [n, 1..., c].
type GlobalPool struct {
	Fn  PoolFn
	P   int // of PoolLp; 0 means 2
	Out OutType
}

// Kind is KindGlobalPool.
func (*GlobalPool) Kind() Kind { return KindGlobalPool }

// Fields lists the attributes.
func (o *GlobalPool) Fields(f Fields) {
	FieldEnum(f, "fn", &o.Fn)
	f.Int("p", &o.P)
	o.Out.fields(f)
}

// Infer is [n, 1..., c].
func (o *GlobalPool) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindGlobalPool, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &s[0]
	if x.Shape.Rank() < 2 || o.Fn > PoolLp || o.P < 0 {
		return tensor.Spec{}, errf(KindGlobalPool, "input %v, function %d, p %d", x.Shape, o.Fn, o.P)
	}
	shape := x.Shape
	for i := 1; i < shape.Rank()-1; i++ {
		if shape.Dim(i) == 0 {
			return tensor.Spec{}, errf(KindGlobalPool, "input %v has no positions", x.Shape)
		}
		shape = shape.With(i, 1)
	}
	if x.DType != tensor.F32 && !x.DType.IsInt8() {
		return tensor.Spec{}, errf(KindGlobalPool, "input is %v, want f32, i8 or u8", x.DType)
	}
	return o.Out.spec(KindGlobalPool, x, shape)
}

// poolMACs multiply-adds take as long as pooling one number of few channels.
const poolMACs = 8

// poolCuts is the most parts that an image's positions are cut into.
const poolCuts = 8

// Prepare splits a large image by positions, as those that made it were and
// those that read it next will be: a worker finds in its own cache what it reads. The
// parts, whose sums are added in order, are the same for any number of threads. A
// small image is split by channels.
func (o *GlobalPool) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if x.DType != tensor.F32 {
		return o.prepareInt(p)
	}
	n, c := x.Shape.Dim(0), x.Shape.Channels()
	k := &globalPool{op: *o, params: p.Params, n: n, c: c, size: x.Shape.Elems() / max(1, n*c)}
	k.exact = p.Reference || o.Fn == PoolLp
	k.part, k.cuts = c, 1
	if !k.exact {
		for k.cuts = max(1, min(poolCuts, poolMACs*k.size*c/(2*taskMACs))); k.size%k.cuts != 0; k.cuts-- {
		}
	}
	if k.cuts > 1 {
		p.NeedScratch(4 * n * k.cuts * c)
	} else if threads := max(1, p.Threads); n < threads && !k.exact {
		k.part = max(1, roundUp((c+threads-1)/parts(poolMACs*k.size*c, taskMACs, threads), 16))
	}
	k.parts = max(1, (c+k.part-1)/max(1, k.part))
	p.Path("global")
	return k, nil
}

type globalPool struct {
	op         GlobalPool
	params     []tensor.Tensor
	n, c, size int
	exact      bool
	part       int // channels of a task
	parts      int // tasks of an image
	cuts       int // parts of its positions; 1: none
}

func (k *globalPool) Run(a *Args) {
	if k.cuts == 1 {
		a.Parallel(k.n*k.parts, k)
		return
	}
	a.Parallel(k.n*k.cuts, k)
	for i := range k.n {
		k.pool(f32(&a.Out)[i*k.c:][:k.c], tensor.CastSlice[float32](a.Scratch)[i*k.cuts*k.c:], k.cuts)
	}
}

// pool reduces that many positions of x.
func (k *globalPool) pool(y, x []float32, size int) {
	args := kern.PoolF32Args{
		In: x, H: 1, W: size, C: len(y), Pixel: k.c, Average: k.op.Fn == PoolAvg,
		KH: 1, KW: size, SH: 1, SW: 1, DH: 1, DW: 1, Out: y, OH: 1, OW: 1, OutPixel: k.c,
	}
	args.Run(0, 1)
}

// Do computes some channels of one image, or some positions.
func (k *globalPool) Do(a *Args, i, _ int) {
	if k.cuts > 1 {
		size := k.size / k.cuts
		k.pool(tensor.CastSlice[float32](a.Scratch)[i*k.c:][:k.c], argF32(a, k.params, 0)[i*size*k.c:], size)
		return
	}
	n, c := i/k.parts, i%k.parts*k.part
	x := argF32(a, k.params, 0)[n*k.size*k.c:][:k.size*k.c][c:]
	y := f32(&a.Out)[n*k.c:][c:min(k.c, c+k.part)]
	if !k.exact {
		k.pool(y, x, k.size)
		return
	}
	for c := range y {
		y[c] = k.value(x[c:])
	}
}

// value is the definition: one channel, every k.c-th element.
func (k *globalPool) value(x []float32) float32 {
	p := float64(k.op.P)
	if p == 0 {
		p = 2
	}
	sum, best := 0.0, math.Inf(-1)
	for i := range k.size {
		v := float64(x[i*k.c])
		best = max(best, v)
		if k.op.Fn == PoolLp {
			v = math.Pow(math.Abs(v), p)
		}
		sum += v
	}
	switch k.op.Fn {
	case PoolMax:
		return float32(best)
	case PoolLp:
		return float32(math.Pow(sum, 1/p))
	}
	return float32(sum / float64(k.size))
}

// Keeps is nothing for an average, both values otherwise.
func (o *GlobalPool) Keeps(in, params []tensor.Spec) Keep {
	if o.Fn == PoolAvg {
		return KeepNone
	}
	return KeepIn0 | KeepOut
}

// Backward is that of Pool over one window; a maximum's gradient goes to the
// first position that has it.
func (o *GlobalPool) Backward(p *GradPrep) (GradKernel, error) {
	x := &p.In[0]
	if x.DType != tensor.F32 {
		return nil, errf(KindGlobalPool, "has no gradient on %v", x.DType)
	}
	n, c := x.Shape.Dim(0), x.Shape.Channels()
	k := &globalPoolGrad{globalPool: globalPool{op: *o, n: n, c: c, size: x.Shape.Elems() / max(1, n*c)}}
	k.sets = o.Fn == PoolAvg && p.writes(0)
	return k, nil
}

type globalPoolGrad struct {
	globalPool
	sets bool // the gradient is set, not added to
}

func (k *globalPoolGrad) Run(g *Grads) {
	if !g.DIn[0].IsZero() {
		g.Parallel(k.n, k)
	}
}

// Do computes one image.
func (k *globalPoolGrad) Do(g *Grads, n, _ int) {
	dx := g.DIn[0].F32()[n*k.size*k.c:][:k.size*k.c]
	dy := g.DOut.F32()[n*k.c:][:k.c]
	if k.op.Fn == PoolAvg {
		part := 1 / float32(k.size)
		for i := range k.size {
			to := dx[i*k.c:][:len(dy)]
			switch {
			case !k.sets:
				kern.AxpyF32(to, dy, part, 1)
			case i == 0:
				kern.BinaryScalarF32(kern.Mul, to, dy, part, negInf, posInf)
			default:
				copy(to, dx)
			}
		}
		return
	}
	x, y := g.In[0].F32()[n*k.size*k.c:], g.Out.F32()[n*k.c:]
	p := float64(k.op.P)
	if p == 0 {
		p = 2
	}
	for c, v := range dy {
		for i := range k.size {
			xv, yv := float64(x[i*k.c+c]), float64(y[c])
			if k.op.Fn == PoolMax {
				if xv == yv {
					dx[i*k.c+c] += v
					break
				}
			} else if yv > 0 && xv != 0 {
				dx[i*k.c+c] += v * float32(xv*math.Pow(math.Abs(xv), p-2)/math.Pow(yv, p-1))
			}
		}
	}
}
