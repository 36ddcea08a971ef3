package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// ResizeMode is how values between positions are found.
type ResizeMode uint8

// The modes.
const (
	ResizeNearest ResizeMode = 0
	ResizeLinear  ResizeMode = 1
	ResizeCubic   ResizeMode = 2
)

// ResizeCoord maps a position x of the result to one of the input. s is the
// scale, in and out the extents.
type ResizeCoord uint8

// The mappings.
const (
	CoordHalfPixel          ResizeCoord = 0 // (x+1/2)/s - 1/2
	CoordPytorchHalfPixel   ResizeCoord = 1 // the same, 0 if out is 1
	CoordAlignCorners       ResizeCoord = 2 // x*(in-1)/(out-1)
	CoordAsymmetric         ResizeCoord = 3 // x/s
	CoordTFCrop             ResizeCoord = 4 // over the part ROI of the input
	CoordHalfPixelSymmetric ResizeCoord = 5 // half pixel, centred when s*in is not whole
)

// ResizeRound is how nearest rounds.
type ResizeRound uint8

// The roundings; the first two differ at halves.
const (
	RoundPreferFloor ResizeRound = 0
	RoundPreferCeil  ResizeRound = 1
	RoundFloor       ResizeRound = 2
	RoundCeil        ResizeRound = 3
)

// Resize changes extents by interpolation, any dimension but the batch, as
// ONNX's Resize and TFLite's two resize operators define it. Each dimension has
// its own taps and weights; the result is the sum over their product.
type Resize struct {
	Mode           ResizeMode
	Coord          ResizeCoord
	Round          ResizeRound
	Sizes          []int     // new extents, one a dimension, 0 keeps; nil: from Scales
	Scales         []float32 // one a dimension, 0: out/in; they win over out/in in Coord
	ROI            []float32 // of CoordTFCrop: starts, then ends, one a dimension each
	CubicA         float32   // of the cubic kernel; 0 means -0.75
	ExcludeOutside bool      // weights of taps outside the input are 0
	Antialias      bool      // widen the kernel when shrinking
	Extrapolation  float32   // of CoordTFCrop: value outside the input
	Out            OutType
}

// Kind is KindResize.
func (*Resize) Kind() Kind { return KindResize }

// Fields lists the attributes.
func (r *Resize) Fields(f Fields) {
	FieldEnum(f, "mode", &r.Mode)
	FieldEnum(f, "coord", &r.Coord)
	FieldEnum(f, "round", &r.Round)
	f.Ints("sizes", &r.Sizes)
	f.Floats("scales", &r.Scales)
	f.Floats("roi", &r.ROI)
	f.Float("cubic_a", &r.CubicA)
	f.Bool("exclude_outside", &r.ExcludeOutside)
	f.Bool("antialias", &r.Antialias)
	f.Float("extrapolation", &r.Extrapolation)
	r.Out.fields(f)
}

// Infer finds the new extents.
func (r *Resize) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindResize, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := o[0]
	rank := x.Shape.Rank()
	if r.Mode > ResizeCubic || r.Coord > CoordHalfPixelSymmetric || r.Round > RoundCeil {
		return tensor.Spec{}, errf(KindResize, "mode %d, coordinates %d, rounding %d", r.Mode, r.Coord, r.Round)
	}
	if r.Sizes == nil && r.Scales == nil || r.Sizes != nil && len(r.Sizes) != rank || r.Scales != nil && len(r.Scales) != rank ||
		r.Coord == CoordTFCrop && len(r.ROI) != 2*rank {
		return tensor.Spec{}, errf(KindResize, "sizes %v, scales %v, region %v for %v", r.Sizes, r.Scales, r.ROI, x.Shape)
	}
	dims := x.Shape.Dims()
	for i, d := range dims {
		switch {
		case r.Sizes != nil && r.Sizes[i] != 0:
			dims[i] = r.Sizes[i]
		case r.Scales != nil && r.Scales[i] != 0:
			s := float64(r.Scales[i])
			if !(s > 0) || s > limit {
				return tensor.Spec{}, errf(KindResize, "scales %v", r.Scales)
			}
			length := 1.0
			if r.Coord == CoordTFCrop {
				length = float64(r.ROI[rank+i]) - float64(r.ROI[i])
			}
			dims[i] = int(math.Floor(float64(d) * length * s))
		}
		if dims[i] < 1 || dims[i] > limit || d < 1 {
			return tensor.Spec{}, errf(KindResize, "%v to %v", x.Shape, dims)
		}
	}
	shape, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindResize, "%w", err)
	}
	return r.Out.spec(KindResize, x, shape)
}

// resizeAxis is the taps of every position along one dimension.
type resizeAxis struct {
	in, out int
	taps    int
	index   []int32   // [out][taps]
	weight  []float32 // [out][taps]
	outside []bool    // positions that take the extrapolation value; nil: none
}

// coordinate is where position x of the result lies in the input.
func (r *Resize) coordinate(x, in, out, axis, rank int) float64 {
	scale := float64(out) / float64(in)
	if r.Scales != nil && r.Scales[axis] != 0 {
		scale = float64(r.Scales[axis])
	}
	fx, fin, fout := float64(x), float64(in), float64(out)
	switch r.Coord {
	case CoordPytorchHalfPixel:
		if out == 1 {
			return 0
		}
	case CoordAlignCorners:
		if out == 1 {
			return 0
		}
		if r.Scales != nil && r.Scales[axis] != 0 {
			fout = scale * fin // before rounding, as ONNX has it
		}
		return fx * (fin - 1) / (fout - 1)
	case CoordAsymmetric:
		return fx / scale
	case CoordTFCrop:
		start, end := float64(r.ROI[axis]), float64(r.ROI[rank+axis])
		if out == 1 {
			return 0.5 * (start + end) * (fin - 1)
		}
		return start*(fin-1) + fx*(end-start)*(fin-1)/(fout-1)
	case CoordHalfPixelSymmetric:
		adjust := fout / (scale * fin)
		return fin/2*(1-adjust) + (fx+0.5)/scale - 0.5
	}
	return (fx+0.5)/scale - 0.5
}

func (r *Resize) axis(in, out, axis, rank int) resizeAxis {
	a := resizeAxis{in: in, out: out}
	scale := float64(out) / float64(in)
	if r.Scales != nil && r.Scales[axis] != 0 {
		scale = float64(r.Scales[axis])
	}
	for x := range out {
		c := r.coordinate(x, in, out, axis, rank)
		if r.Coord == CoordTFCrop {
			if a.outside == nil {
				a.outside = make([]bool, out)
			}
			a.outside[x] = c < 0 || c > float64(in-1)
		}
		first, w := r.kernel(c, scale)
		if r.ExcludeOutside && r.Mode != ResizeNearest {
			sum := 0.0
			for j := range w {
				if i := first + j; i < 0 || i >= in {
					w[j] = 0
				}
				sum += w[j]
			}
			for j := range w {
				w[j] /= sum
			}
		}
		a.taps = len(w)
		for j, v := range w {
			a.index = append(a.index, int32(min(max(first+j, 0), in-1)))
			a.weight = append(a.weight, float32(v))
		}
	}
	return a
}

// kernel is the first tap and the weights at coordinate c.
func (r *Resize) kernel(c, scale float64) (first int, w []float64) {
	if r.Mode == ResizeNearest {
		switch r.Round {
		case RoundPreferCeil:
			c = math.Floor(c + 0.5)
		case RoundFloor:
			c = math.Floor(c)
		case RoundCeil:
			c = math.Ceil(c)
		default:
			c = math.Ceil(c - 0.5)
		}
		return int(c), []float64{1}
	}
	// A whole coordinate counts as the end of the interval before it.
	base := math.Ceil(c) - 1
	ratio := c - base
	s, reach := 1.0, 1.0
	if r.Antialias {
		s = min(scale, 1)
	}
	if r.Mode == ResizeCubic {
		reach = 2
	}
	start := int(math.Floor(-reach/s)) + 1
	sum := 0.0
	for i := start; i < 2-start; i++ {
		v := r.weight((float64(i) - ratio) * s)
		w = append(w, v)
		sum += v
	}
	for i := range w {
		w[i] /= sum
	}
	return int(base) + start, w
}

// weight is the interpolation kernel at distance x: a tent, or Keys' cubic.
func (r *Resize) weight(x float64) float64 {
	x = math.Abs(x)
	if r.Mode == ResizeLinear {
		return max(0, 1-x)
	}
	a := float64(r.CubicA)
	if a == 0 {
		a = -0.75
	}
	switch {
	case x <= 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return a * (((x-5)*x+8)*x - 4)
	}
	return 0
}

// resizeKernel sums rows of the dimensions behind the last one that changes.
type resizeKernel struct {
	params []tensor.Tensor
	rank   int // dimensions up to the last that changes
	axes   [tensor.MaxRank]resizeAxis
	stride [tensor.MaxRank]int // of the input, elements
	outer  int                 // positions of those dimensions
	inner  int                 // elements behind them
	size   int
	copies bool // one tap everywhere: any element type
	value  float32
	chunk  int
}

// Prepare makes the tables.
func (r *Resize) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	k := r.tables(x, p.Out)
	k.params = p.Params
	same := x.DType == p.Out.DType && x.Quant.Equal(p.Out.Quant)
	k.copies = r.Mode == ResizeNearest && r.Coord != CoordTFCrop && same
	if x.DType != tensor.F32 && !k.copies {
		if x.DType.IsInt8() {
			return r.prepareInt(p)
		}
		return nil, errf(KindResize, "input is %v, which nearest alone can do", x.DType)
	}
	k.chunk = k.outer
	if p.Threads > 1 {
		k.chunk = max(1, (1<<16)/max(1, k.inner))
	}
	p.Path("resize")
	return k, nil
}

func (r *Resize) tables(x, out tensor.Spec) *resizeKernel {
	k := &resizeKernel{size: x.DType.Size(), outer: 1, inner: 1, value: r.Extrapolation, stride: x.Shape.Strides()}
	rank := x.Shape.Rank()
	for i := range rank {
		if x.Shape.Dim(i) != out.Shape.Dim(i) || r.Coord == CoordTFCrop {
			k.rank = i + 1
		}
	}
	for i := range rank {
		if i >= k.rank {
			k.inner *= x.Shape.Dim(i)
			continue
		}
		k.outer *= out.Shape.Dim(i)
		if in := x.Shape.Dim(i); in == out.Shape.Dim(i) && r.Coord != CoordTFCrop {
			k.axes[i] = resizeAxis{in: in, out: in, taps: 1}
			for j := range in {
				k.axes[i].index = append(k.axes[i].index, int32(j))
				k.axes[i].weight = append(k.axes[i].weight, 1)
			}
		} else {
			k.axes[i] = r.axis(in, out.Shape.Dim(i), i, rank)
		}
	}
	return k
}

func (k *resizeKernel) Run(a *Args) { a.Parallel((k.outer+k.chunk-1)/max(1, k.chunk), k) }

// Do computes some positions.
func (k *resizeKernel) Do(a *Args, i, _ int) {
	x := arg(a, k.params, 0)
	for pos := i * k.chunk; pos < min(k.outer, (i+1)*k.chunk); pos++ {
		var at [tensor.MaxRank]int
		rest, outside := pos, false
		for d := k.rank - 1; d >= 0; d-- {
			at[d] = rest % k.axes[d].out
			rest /= k.axes[d].out
			outside = outside || k.axes[d].outside != nil && k.axes[d].outside[at[d]]
		}
		if k.copies {
			src := 0
			for d := range k.rank {
				src += int(k.axes[d].index[at[d]]) * k.stride[d]
			}
			copy(a.Out.Data[pos*k.inner*k.size:][:k.inner*k.size], x.Data[src*k.size:])
			continue
		}
		y := a.Out.F32()[pos*k.inner:][:k.inner]
		if outside {
			for j := range y {
				y[j] = k.value
			}
			continue
		}
		clear(y)
		k.sum(y, x.F32(), &at, 0, 0, 1)
	}
}

// sum adds w times the rows that dimensions d and later of a position read.
func (k *resizeKernel) sum(y, x []float32, at *[tensor.MaxRank]int, d, src int, w float32) {
	if d == k.rank {
		for j, v := range x[src : src+len(y)] {
			y[j] += w * v
		}
		return
	}
	ax := &k.axes[d]
	for t := at[d] * ax.taps; t < (at[d]+1)*ax.taps; t++ {
		if v := w * ax.weight[t]; v != 0 {
			k.sum(y, x, at, d+1, src+int(ax.index[t])*k.stride[d], v)
		}
	}
}

// Keeps is nothing.
func (*Resize) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward gives each tap its weight's share.
func (r *Resize) Backward(p *GradPrep) (GradKernel, error) {
	if p.In[0].DType != tensor.F32 {
		return nil, errf(KindResize, "has no gradient on %v", p.In[0].DType)
	}
	return &resizeGrad{r.tables(p.In[0], p.Out)}, nil
}

type resizeGrad struct{ *resizeKernel }

func (k *resizeGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	for pos := range k.outer {
		var at [tensor.MaxRank]int
		rest, outside := pos, false
		for d := k.rank - 1; d >= 0; d-- {
			at[d] = rest % k.axes[d].out
			rest /= k.axes[d].out
			outside = outside || k.axes[d].outside != nil && k.axes[d].outside[at[d]]
		}
		if !outside {
			k.add(dx, dy[pos*k.inner:][:k.inner], &at, 0, 0, 1)
		}
	}
}

func (k *resizeGrad) add(dx, dy []float32, at *[tensor.MaxRank]int, d, dst int, w float32) {
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
