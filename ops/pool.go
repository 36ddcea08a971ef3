package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

var poolOps = []Desc{
	{KindPool, "Pool", func() Op { return new(Pool) }},
	{KindGlobalPool, "GlobalPool", func() Op { return new(GlobalPool) }},
	{KindMaxUnpool, "MaxUnpool", func() Op { return new(MaxUnpool) }},
}

// PoolFn is what a window is reduced to.
type PoolFn uint8

// The functions: largest, mean, p-norm.
const (
	PoolMax PoolFn = 0
	PoolAvg PoolFn = 1
	PoolLp  PoolFn = 2
)

// Pool reduces each window of each channel, x [n, spatial..., c]:
//
//	max: max over taps in the input;  avg: sum / count;  lp: (sum |x|^P)^(1/P)
//
// An average counts the taps in the input, or with CountIncludePad those in the
// input and its padding (not those that ceil rounding reaches beyond). Output 1
// is the index of the maximum instead of its value, i64: the place in the whole
// input in NHWC order, or with IndexNCHW in NCHW order, whose spatial part is
// column-major with StorageOrder 1.
type Pool struct {
	Window
	Fn              PoolFn
	CountIncludePad bool
	P               int // of PoolLp; 0 means 2
	Output          int
	IndexNCHW       bool
	StorageOrder    int
	Act             Act
	Out             OutType // of the integer form
}

// Kind is KindPool.
func (*Pool) Kind() Kind { return KindPool }

// Fields lists the attributes.
func (o *Pool) Fields(f Fields) {
	o.Window.fields(f)
	FieldEnum(f, "fn", &o.Fn)
	f.Bool("count_include_pad", &o.CountIncludePad)
	f.Int("p", &o.P)
	f.Int("output", &o.Output)
	f.Bool("index_nchw", &o.IndexNCHW)
	f.Int("storage_order", &o.StorageOrder)
	o.Act.fields(f)
	o.Out.fields(f)
}

// PitchedOutput says that results can be written into a wider tensor.
func (o *Pool) PitchedOutput() bool { return o.Output == 0 }

// Infer is [n, out spatial..., c].
func (o *Pool) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindPool, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &s[0]
	if o.Kernel == nil || o.Fn > PoolLp || o.Output < 0 || o.Output > 1 || o.Output == 1 && o.Fn != PoolMax || o.P < 0 {
		return tensor.Spec{}, errf(KindPool, "kernel %v, function %d, output %d, p %d", o.Kernel, o.Fn, o.Output, o.P)
	}
	g, err := o.Resolve(KindPool, x.Shape, nil)
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := o.Act.check(KindPool); err != nil {
		return tensor.Spec{}, err
	}
	shape, err := g.Shape(x.Shape.Dim(0), x.Shape.Channels())
	if err != nil {
		return tensor.Spec{}, err
	}
	if x.DType != tensor.F32 && !x.DType.IsInt8() {
		return tensor.Spec{}, errf(KindPool, "input is %v, want f32, i8 or u8", x.DType)
	}
	if x.DType != tensor.F32 && x.Quant.IsZero() && o.Act.Fn != UnaryNone {
		return tensor.Spec{}, errf(KindPool, "an activation needs real numbers, input is %v", x)
	}
	if g.InSize() == 0 {
		// Padding alone would make results of nothing.
		return tensor.Spec{}, errf(KindPool, "input %v has no positions", x.Shape)
	}
	if o.Output == 1 {
		return tensor.Spec{DType: tensor.I64, Shape: shape}, nil
	}
	return o.Out.spec(KindPool, x, shape)
}

// Prepare picks the vector kernel for one and two dimensions, or that of slices for
// three.
func (o *Pool) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if x.DType.IsInt8() && (!x.Quant.IsZero() || o.Fn != PoolMax) {
		return o.prepareInt(p)
	}
	g, err := o.Resolve(KindPool, x.Shape, nil)
	if err != nil {
		return nil, err
	}
	k := o.kernel(p, g)
	if x.DType != tensor.F32 {
		p.Path("reference/bytes")
		return &poolBytes{k, x.DType == tensor.I8}, nil
	}
	overhang := false // ceil reaches beyond the padding
	for i := range g.In {
		last := (g.Out[i]-1)*g.Stride[i] + (g.Kernel[i]-1)*g.Dilation[i]
		overhang = overhang || last >= g.In[i]+g.PadLo[i]+g.PadHi[i]
	}
	plain := p.Reference || o.Output == 1 || o.Fn == PoolLp || o.CountIncludePad && overhang
	if !plain && k.joinChannels() {
		g = k.Geom
	}
	if deep := g.Kernel[0] > 1 || g.In[0] > 1; deep && !plain {
		if d := k.prepareDepth(p); d != nil {
			return d, nil
		}
		plain = true
	}
	if plain {
		p.Path("reference")
		return k, nil
	}
	f := &poolFast{poolKernel: k}
	f.args = o.args(&g, k.c, k.pitch)
	f.band = g.Out[1]
	if p.Threads > 1 {
		f.band = min(f.band, max(1, (1<<18)/max(1, g.Out[2]*k.c*g.Taps())))
	}
	f.bands = (g.Out[1] + f.band - 1) / f.band
	p.Path("pool")
	return f, nil
}

// kernel is the definition.
func (o *Pool) kernel(p *Prep, g Geom) *poolKernel {
	x, _ := p.Operand(0)
	c := x.Shape.Channels()
	return &poolKernel{Geom: g, op: o, params: p.Params, n: x.Shape.Dim(0), c: c, pitch: outPitch(p.OutPitch, c)}
}

// args is what the vector kernel is told of c channels, results pitch apart.
//
//go:noinline
func (o *Pool) args(g *Geom, c, pitch int) kern.PoolF32Args {
	return kern.PoolF32Args{
		H: g.In[1], W: g.In[2], C: c, Pixel: c, Average: o.Fn == PoolAvg, CountPad: o.CountIncludePad,
		KH: g.Kernel[1], KW: g.Kernel[2], SH: g.Stride[1], SW: g.Stride[2], DH: g.Dilation[1], DW: g.Dilation[2],
		PT: g.PadLo[1], PL: g.PadLo[2], OH: g.Out[1], OW: g.Out[2], OutPixel: pitch,
	}
}

// poolFast runs bands of output rows through the vector kernel.
type poolFast struct {
	*poolKernel
	args        kern.PoolF32Args
	band, bands int
}

func (k *poolFast) Run(a *Args) { a.Parallel(k.n*k.bands, k) }

// Do computes a band of one image.
func (k *poolFast) Do(a *Args, i, _ int) {
	n, y0 := i/k.bands, i%k.bands*k.band
	y1 := min(y0+k.band, k.Out[1])
	args := k.args
	args.In = argF32(a, k.params, 0)[n*k.InSize()*k.c:]
	args.Out = f32(&a.Out)[n*k.OutSize()*k.pitch:]
	args.Run(y0, y1)
	if k.op.Act.Fn != UnaryNone {
		k.op.Act.rows(args.Out[y0*k.Out[2]*k.pitch:], (y1-y0)*k.Out[2], k.c, k.pitch)
	}
}

// poolKernel is the definition.
type poolKernel struct {
	Geom
	op     *Pool
	params []tensor.Tensor
	n, c   int
	pitch  int
}

// tap is the input position that output position row of an image sees through
// tap t. inPad tells whether it lies in the input or its padding.
func (k *poolKernel) tap(row, t int) (pos int, inside, inPad bool) {
	o := [3]int{row / (k.Out[1] * k.Out[2]), row / k.Out[2] % k.Out[1], row % k.Out[2]}
	kt := [3]int{t / (k.Kernel[1] * k.Kernel[2]), t / k.Kernel[2] % k.Kernel[1], t % k.Kernel[2]}
	inside, inPad = true, true
	for i := range o {
		x := o[i]*k.Stride[i] + kt[i]*k.Dilation[i] - k.PadLo[i]
		inside = inside && uint(x) < uint(k.In[i])
		inPad = inPad && x < k.In[i]+k.PadHi[i]
		pos = pos*k.In[i] + x
	}
	return pos, inside, inPad
}

func (k *poolKernel) Run(a *Args) { a.Parallel(k.n, k) }

// Do computes one image.
func (k *poolKernel) Do(a *Args, n, _ int) {
	x := argF32(a, k.params, 0)[n*k.InSize()*k.c:]
	for row := range k.OutSize() {
		at := n*k.OutSize() + row
		for c := range k.c {
			if k.op.Output == 1 {
				_, pos := k.largest(x, row, c)
				i64(&a.Out)[at*k.pitch+c] = k.index(n, pos, c)
				continue
			}
			f32(&a.Out)[at*k.pitch+c] = k.op.Act.apply(k.value(x, row, c))
		}
	}
}

// largest is the maximum of a window, the first where several are equal.
func (k *poolKernel) largest(x []float32, row, c int) (best float32, at int) {
	best, at = float32(math.Inf(-1)), -1
	for t := range k.Taps() {
		pos, inside, _ := k.tap(row, t)
		if !inside {
			continue
		}
		if v := x[pos*k.c+c]; v > best || at < 0 || v != v {
			best, at = v, pos
		}
	}
	return best, max(at, 0)
}

func (k *poolKernel) value(x []float32, row, c int) float32 {
	if k.op.Fn == PoolMax {
		v, _ := k.largest(x, row, c)
		return v
	}
	p := float64(k.op.P)
	if p == 0 {
		p = 2
	}
	sum, count := 0.0, 0
	for t := range k.Taps() {
		pos, inside, inPad := k.tap(row, t)
		if inside || k.op.CountIncludePad && inPad {
			count++
		}
		if !inside {
			continue
		}
		v := float64(x[pos*k.c+c])
		if k.op.Fn == PoolLp {
			v = math.Pow(math.Abs(v), p)
		}
		sum += v
	}
	if k.op.Fn == PoolLp {
		return float32(math.Pow(sum, 1/p))
	}
	return float32(sum / float64(max(count, 1)))
}

// index is the place of a spatial position and channel in the whole input.
func (k *poolKernel) index(n, pos, c int) int64 {
	if !k.op.IndexNCHW {
		return int64((n*k.InSize()+pos)*k.c + c)
	}
	if k.op.StorageOrder == 1 {
		d, h, w := pos/(k.In[1]*k.In[2]), pos/k.In[2]%k.In[1], pos%k.In[2]
		pos = (w*k.In[1]+h)*k.In[0] + d
	}
	return int64((n*k.c+c)*k.InSize() + pos)
}

// poolBytes is the maximum of bytes that stand for themselves.
type poolBytes struct {
	*poolKernel
	signed bool
}

func (k *poolBytes) Run(a *Args) {
	x := arg(a, k.params, 0).Data
	flip := byte(0)
	if k.signed {
		flip = 0x80 // order of signed bytes as that of unsigned ones
	}
	for r := range k.n * k.OutSize() {
		for c := range k.c {
			best, at := byte(0), -1
			for t := range k.Taps() {
				pos, inside, _ := k.tap(r%k.OutSize(), t)
				if !inside {
					continue
				}
				if v := x[(r/k.OutSize()*k.InSize()+pos)*k.c+c] ^ flip; v > best || at < 0 {
					best, at = v, pos
				}
			}
			if k.op.Output == 1 {
				i64(&a.Out)[r*k.pitch+c] = k.index(r/k.OutSize(), max(at, 0), c)
			} else {
				a.Out.Data[r*k.pitch+c] = best ^ flip
			}
		}
	}
}
