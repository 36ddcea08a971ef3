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
	x := &o[0]
	rank := x.Shape.Rank()
	if r.Mode > ResizeCubic || r.Coord > CoordHalfPixelSymmetric || r.Round > RoundCeil {
		return tensor.Spec{}, errf(KindResize, "mode %d, coordinates %d, rounding %d", r.Mode, r.Coord, r.Round)
	}
	if r.Sizes == nil && r.Scales == nil || r.Sizes != nil && len(r.Sizes) != rank || r.Scales != nil && len(r.Scales) != rank ||
		r.Coord == CoordTFCrop && len(r.ROI) != 2*rank {
		return tensor.Spec{}, errf(KindResize, "sizes %v, scales %v, region %v for %v", r.Sizes, r.Scales, r.ROI, x.Shape)
	}
	for _, v := range r.ROI {
		if !(math.Abs(float64(v)) <= limit) {
			return tensor.Spec{}, errf(KindResize, "region %v", r.ROI)
		}
	}
	dims := x.Shape.Dims()
	for i, d := range dims {
		if r.Scales != nil && !(r.Scales[i] >= 0 && r.Scales[i] <= limit) {
			return tensor.Spec{}, errf(KindResize, "scales %v", r.Scales)
		}
		switch {
		case r.Sizes != nil && r.Sizes[i] != 0:
			dims[i] = r.Sizes[i]
		case r.Scales != nil && r.Scales[i] != 0:
			// The product is a float32 one, as in ONNX's shape inference: 10 at
			// scale 0.7 is 7, though 0.7 is a little less in float32.
			dims[i] = int(float32(d) * r.Scales[i])
			if r.Coord == CoordTFCrop {
				length := float64(r.ROI[rank+i]) - float64(r.ROI[i])
				dims[i] = int(math.Floor(float64(d) * length * float64(r.Scales[i])))
			}
		}
		if dims[i] < 1 || dims[i] > limit || d < 1 {
			return tensor.Spec{}, errf(KindResize, "%v to %v", x.Shape, dims)
		}
		if err := r.checkScale(i, d, dims[i]); err != nil {
			return tensor.Spec{}, err
		}
	}
	shape, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindResize, "%w", err)
	}
	return r.Out.spec(KindResize, x, shape)
}

// checkScale refuses a scale that is not about out/in: coordinates would leave
// the input, and a widened kernel could have any number of taps.
func (r *Resize) checkScale(axis, in, out int) error {
	if r.Scales == nil || r.Scales[axis] == 0 || r.Coord == CoordTFCrop && !r.Antialias {
		return nil
	}
	want := float64(in) * float64(r.Scales[axis])
	if r.Coord == CoordTFCrop {
		// Only the kernel's width depends on the scale.
		if want < 0.5 {
			return errf(KindResize, "scale %v of %d", r.Scales[axis], in)
		}
		return nil
	}
	if math.Abs(want-float64(out)) > 1+1e-6*want {
		return errf(KindResize, "%d to %d at scale %v", in, out, r.Scales[axis])
	}
	return nil
}

// resizeKernel sums rows of the dimensions behind the last one that changes.
type resizeKernel struct {
	params []tensor.Tensor
	rank   int // dimensions up to the last that changes; such as do not and are neighbours count as one
	axes   [tensor.MaxRank]resizeAxis
	stride [tensor.MaxRank]int // of the input, elements
	outer  int                 // positions of those dimensions
	inner  int                 // elements behind them
	size   int
	copies bool // one tap everywhere: any element type
	value  float32
	chunk  int
	vector bool // rows long enough for the vector kernel
}

// Prepare makes the tables.
func (r *Resize) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	k := r.tables(x, &p.Out)
	k.params = p.Params
	same := x.DType == p.Out.DType && x.Quant.Equal(p.Out.Quant)
	k.copies = r.Mode == ResizeNearest && r.Coord != CoordTFCrop && same
	if x.DType != tensor.F32 && !k.copies {
		if x.DType.IsInt8() {
			return r.prepareInt(p)
		}
		return nil, errf(KindResize, "input is %v, which nearest alone can do", x.DType)
	}
	k.vector = !p.Reference && k.inner >= 16
	k.chunk = max(1, k.lines())
	if p.Threads > 1 {
		k.chunk = max(1, (1<<16)/max(1, k.outer*k.inner/k.chunk))
	}
	if !p.Reference && x.DType == tensor.F32 && !k.copies {
		if rows := k.rows(p); rows != nil {
			p.Path("rows")
			return rows, nil
		}
	}
	p.Path("resize")
	return k, nil
}

func (r *Resize) tables(x, out *tensor.Spec) *resizeKernel {
	k := &resizeKernel{size: x.DType.Size(), outer: 1, inner: 1, value: r.Extrapolation}
	rank, last, same := x.Shape.Rank(), -1, false
	for i := range rank {
		if x.Shape.Dim(i) != out.Shape.Dim(i) || r.Coord == CoordTFCrop {
			last = i
		}
	}
	for i, stride := range denseStrides(x.Shape) {
		in, n := x.Shape.Dim(i), out.Shape.Dim(i)
		if i > last {
			k.inner *= in
			continue
		}
		k.outer *= n
		as := same // as the dimension before, which does not change: they are one
		if same = in == n && r.Coord != CoordTFCrop; same {
			if as {
				k.rank--
				in *= k.axes[k.rank].in
			}
			k.axes[k.rank] = sameAxis(in)
		} else {
			k.axes[k.rank] = r.axis(in, n, i, rank)
		}
		k.stride[k.rank] = stride
		k.rank++
	}
	return k
}

// sameAxis is a dimension of n that does not change.
func sameAxis(n int) resizeAxis {
	a := resizeAxis{in: n, out: n, taps: 1, index: make([]int32, n), weight: make([]float32, n)}
	for j := range n {
		a.index[j], a.weight[j] = int32(j), 1
	}
	return a
}

func (k *resizeKernel) Run(a *Args) { a.Parallel((k.lines()+k.chunk-1)/k.chunk, k) }

// lines is the number of rows along the last dimension that changes.
//
//go:noinline
func (k *resizeKernel) lines() int {
	if k.rank == 0 {
		return k.outer
	}
	return k.outer / k.axes[k.rank-1].out
}

// Do computes some lines.
func (k *resizeKernel) Do(a *Args, i, _ int) {
	x, before := arg(a, k.params, 0), -1
	for line := i * k.chunk; line < min(k.lines(), (i+1)*k.chunk); line++ {
		if k.rank == 0 {
			copy(a.Out.Data, x.Data)
			return
		}
		at, src, outside := k.place(line)
		n := k.axes[k.rank-1].out * k.inner
		if k.copies {
			y := a.Out.Data[line*n*k.size:][:n*k.size]
			if src == before {
				copy(y, a.Out.Data[(line-1)*n*k.size:])
			} else {
				k.copyLine(y, x.Data[src*k.size:])
			}
			before = src
			continue
		}
		y := f32(&a.Out)[line*n:][:n]
		if outside {
			for j := range y {
				y[j] = k.value
			}
			continue
		}
		clear(y)
		k.sum(y, f32(x), &at, 0, 0, 1)
		k.border(y)
	}
}

// place is the positions of a line along all dimensions but the last that
// changes, where the first of the rows it reads starts, and whether it lies
// outside of the input.
func (k *resizeKernel) place(line int) (at [tensor.MaxRank]int, src int, outside bool) {
	for d := k.rank - 2; d >= 0; d-- {
		ax := &k.axes[d]
		at[d] = line % ax.out
		line /= ax.out
		src += int(ax.index[at[d]*ax.taps]) * k.stride[d]
		outside = outside || ax.outside != nil && ax.outside[at[d]]
	}
	return at, src, outside
}

// split is where position pos of the result lies in each dimension, and whether that
// is outside of the input.
func (k *resizeKernel) split(pos int) (at [tensor.MaxRank]int, outside bool) {
	for d := k.rank - 1; d >= 0; d-- {
		at[d] = pos % k.axes[d].out
		pos /= k.axes[d].out
		outside = outside || k.axes[d].outside != nil && k.axes[d].outside[at[d]]
	}
	return at, outside
}
