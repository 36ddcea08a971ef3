package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// PadMode says what padding holds.
type PadMode uint8

// The modes: a constant; the input mirrored without its border (c b | a b c |
// b a); its border repeated; the input repeated; mirrored with its border
// (b a | a b c | c b, TFLite's symmetric).
const (
	PadConstant  PadMode = 0
	PadReflect   PadMode = 1
	PadEdge      PadMode = 2
	PadWrap      PadMode = 3
	PadSymmetric PadMode = 4
)

// Pad adds Lo elements before and Hi after each dimension; negative ones crop.
// Value is the constant, as a real number: quantised tensors hold it in their
// own units, 0 being the zero point.
type Pad struct {
	Lo, Hi []int
	Mode   PadMode
	Value  float32
}

// Kind is KindPad.
func (*Pad) Kind() Kind { return KindPad }

// Fields lists the attributes.
func (p *Pad) Fields(f Fields) {
	f.Ints("lo", &p.Lo)
	f.Ints("hi", &p.Hi)
	FieldEnum(f, "mode", &p.Mode)
	f.Float("value", &p.Value)
}

// Infer adds the padding.
func (p *Pad) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindPad, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &o[0]
	rank := x.Shape.Rank()
	if len(p.Lo) != rank || len(p.Hi) != rank || p.Mode > PadSymmetric || len(x.Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindPad, "padding %v, %v in mode %d of %v", p.Lo, p.Hi, p.Mode, x)
	}
	dims := x.Shape.Dims()
	for i, d := range dims {
		lo, hi := p.Lo[i], p.Hi[i]
		if max(lo, hi) > limit || min(lo, hi) < -limit || d+lo+hi < 0 {
			return tensor.Spec{}, errf(KindPad, "padding %v, %v of %v", p.Lo, p.Hi, x.Shape)
		}
		if most := max(lo, hi); most > 0 {
			if p.Mode != PadConstant && d == 0 || p.Mode == PadReflect && d < 2 {
				return tensor.Spec{}, errf(KindPad, "dimension %d of %v has nothing to repeat", i, x.Shape)
			}
		}
		dims[i] += lo + hi
	}
	s, err := tensor.NewShape(dims...)
	return tensor.Spec{DType: x.DType, Shape: s, Quant: x.Quant}, err
}

// source is the index a position of the result reads along one dimension of n,
// or -1 in a constant padding.
func (p *Pad) source(i, n int) int {
	if i >= 0 && i < n {
		return i
	}
	mod := func(a, b int) int { return ((a % b) + b) % b }
	switch p.Mode {
	case PadEdge:
		return min(max(i, 0), n-1)
	case PadWrap:
		return mod(i, n)
	case PadReflect:
		i = mod(i, 2*n-2)
		return min(i, 2*n-2-i)
	case PadSymmetric:
		i = mod(i, 2*n)
		return min(i, 2*n-1-i)
	}
	return -1
}

// padKernel copies rows of the last dimension through tables of indices.
type padKernel struct {
	params []tensor.Tensor
	out    tensor.Shape
	in     [tensor.MaxRank]int // strides of the input, elements
	rank   int                 // dimensions up to the last that is padded, at least 1
	inner  int                 // elements behind them, which move as one
	index  [tensor.MaxRank][]int
	runs   []padRun // of the last of those dimensions
	size   int
	value  [8]byte // one element
}

// padRun is n positions that are padding, or come from the input's position from
// and those behind it.
type padRun struct {
	from, n int
	padding bool
}

func (p *Pad) kernel(x, out *tensor.Spec, params []tensor.Tensor) *padKernel {
	k := &padKernel{params: params, out: out.Shape, in: x.Shape.Strides(), size: x.DType.Size(), rank: out.Shape.Rank(), inner: 1}
	for k.rank > 1 && p.Lo[k.rank-1] == 0 && p.Hi[k.rank-1] == 0 {
		k.rank--
		k.inner *= out.Shape.Dim(k.rank)
	}
	for d := range out.Shape.Rank() {
		k.index[d] = make([]int, out.Shape.Dim(d))
		for i := range k.index[d] {
			k.index[d][i] = p.source(i-p.Lo[d], x.Shape.Dim(d))
		}
	}
	for _, j := range k.index[max(0, k.rank-1)] {
		if n := len(k.runs) - 1; n >= 0 && (k.runs[n].padding && j < 0 || !k.runs[n].padding && j == k.runs[n].from+k.runs[n].n) {
			k.runs[n].n++
			continue
		}
		k.runs = append(k.runs, padRun{from: j, n: 1, padding: j < 0})
	}
	one := tensor.Tensor{Spec: tensor.Spec{DType: x.DType, Shape: tensor.Of(1), Quant: x.Quant}, Data: k.value[:k.size]}
	setReal(one, p.Value)
	return k
}

// setReal writes a real number as t's one element.
func setReal(t tensor.Tensor, v float32) {
	if t.Quant.PerTensor() {
		scale, zero := t.Quant.At(0)
		lo, hi := tensor.IntRange(t.DType)
		v = float32(roundClamp(v/scale, zero, int32(lo), int32(hi)))
	}
	switch t.DType {
	case tensor.F32:
		f32(&t)[0] = v
	case tensor.I8:
		t.Data[0] = byte(int8(v))
	case tensor.U8, tensor.Bool:
		t.Data[0] = byte(v)
	case tensor.I32:
		i32(&t)[0] = int32(v)
	case tensor.I64:
		i64(&t)[0] = int64(v)
	}
}

// Prepare copies row by row.
func (p *Pad) Prepare(pr *Prep) (Kernel, error) {
	x, _ := pr.Operand(0)
	pr.Path("copy")
	return p.kernel(x, &pr.Out, pr.Params), nil
}

func (k *padKernel) Run(a *Args) { a.Parallel(k.outerRows(), k) }

// outerRows is the extent of the outermost dimension, 1 where it is the only
// one that is walked.
func (k *padKernel) outerRows() int {
	if k.rank < 2 {
		return 1
	}
	return k.out.Dim(0)
}

// Do fills index i of the outermost dimension.
func (k *padKernel) Do(a *Args, i, _ int) {
	src := arg(a, k.params, 0).Data
	switch {
	case k.rank == 0:
		copy(a.Out.Data, src)
		return
	case len(a.Out.Data) == 0:
		return
	}
	from, to := 0, 0
	if k.rank > 1 {
		from, to = i, i+1
	}
	k.level(a.Out.Data, src, 0, 0, from, to)
}

// level fills indices [from, to) of dimension d, of all where d is the last that is walked. dst is all of them; what it reads
// starts at element at.
func (k *padKernel) level(dst, src []byte, d, at, from, to int) {
	if d == k.rank-1 {
		k.row(dst, src, at)
		return
	}
	n := len(dst) / k.out.Dim(d)
	for i := from; i < to; i++ {
		part := dst[i*n : (i+1)*n]
		if j := k.index[d][i]; j < 0 {
			k.fill(part)
		} else {
			k.level(part, src, d+1, at+j*k.in[d], 0, k.out.Dim(d+1))
		}
	}
}

// row fills a row of the last padded dimension, run by run. at is its place in src.
func (k *padKernel) row(dst, src []byte, at int) {
	unit := k.inner * k.size
	for _, r := range k.runs {
		run := dst[:r.n*unit]
		if r.padding {
			k.fill(run)
		} else {
			copy(run, src[at*k.size+r.from*unit:])
		}
		dst = dst[len(run):]
	}
}

// fill makes all of run padding: each copy doubles what there is.
func (k *padKernel) fill(run []byte) {
	if k.value == [8]byte{} {
		clear(run)
		return
	}
	if k.size == 1 {
		kern.Fill(run, k.value[0])
		return
	}
	for m := copy(run, k.value[:k.size]); m < len(run); m *= 2 {
		copy(run[m:], run[:m])
	}
}

// Keeps is nothing.
func (*Pad) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward adds each position's gradient to the one it was read from.
func (p *Pad) Backward(gp *GradPrep) (GradKernel, error) {
	return &padGrad{p.kernel(&gp.In[0], &gp.Out, nil)}, nil
}

type padGrad struct{ k *padKernel }

func (t *padGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	k := t.k
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	for i, v := range dy {
		at, rest := 0, i
		for d := k.out.Rank() - 1; d >= 0 && at >= 0; d-- {
			j := k.index[d][rest%k.out.Dim(d)]
			rest /= k.out.Dim(d)
			if at += j * k.in[d]; j < 0 {
				at = -1
			}
		}
		if at >= 0 {
			dx[at] += v
		}
	}
}
