package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// ArgMax is the index of the largest element along Axis (the smallest with
// Min), the first of equals (the last with Last). A NaN is larger than every
// number, as in numpy (with Min: smaller). Any type but f16, bf16 and bool;
// quantised elements compare as the integers they are.
type ArgMax struct {
	Axis     int
	KeepDims bool
	Min      bool
	Last     bool
	To       tensor.DType // I64 or I32; zero means I64
}

// Kind is KindArgMax.
func (*ArgMax) Kind() Kind { return KindArgMax }

// Fields lists the attributes.
func (o *ArgMax) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	f.Bool("keep_dims", &o.KeepDims)
	f.Bool("min", &o.Min)
	f.Bool("last", &o.Last)
	FieldEnum(f, "to", &o.To)
}

// Infer is the operand's shape without Axis, of type To.
func (o *ArgMax) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	x, err := wantOperands(KindArgMax, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	s := x[0].Shape
	_, n, _, err := axisOf(KindArgMax, s, o.Axis)
	if err != nil {
		return tensor.Spec{}, err
	}
	if n == 0 {
		return tensor.Spec{}, errf(KindArgMax, "of nothing: axis %d of %v", o.Axis, s)
	}
	switch x[0].DType {
	case tensor.F32, tensor.I8, tensor.U8, tensor.I32, tensor.I64:
	default:
		return tensor.Spec{}, wantF32(KindArgMax, "input", &x[0])
	}
	to := o.To
	if to == tensor.Invalid {
		to = tensor.I64
	}
	if to != tensor.I32 && to != tensor.I64 {
		return tensor.Spec{}, errf(KindArgMax, "result %v, want i32 or i64", to)
	}
	var dims []int
	for i := range s.Rank() {
		switch {
		case i != o.Axis && i != o.Axis+s.Rank():
			dims = append(dims, s.Dim(i))
		case o.KeepDims:
			dims = append(dims, 1)
		}
	}
	out, err := tensor.NewShape(dims...)
	return tensor.Spec{DType: to, Shape: out}, err
}

// Prepare picks lines on vector units for the largest of float32.
func (o *ArgMax) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	outer, n, inner, err := axisOf(KindArgMax, x.Shape, o.Axis)
	if err != nil {
		return nil, err
	}
	k := &argMaxKernel{newLines(outer, n, inner), o.Min, o.Last, false, 0, p.Params}
	p.Path("reference")
	if !p.Reference && x.DType == tensor.F32 && !o.Min && !o.Last {
		k.prepareVector(p)
	}
	return k, nil
}

// argMaxShort is the longest line in one piece that is turned to lie beside others.
const argMaxShort = 64

// prepareVector picks lines side by side, or one by one where they are long and in one piece.
func (k *argMaxKernel) prepareVector(p *Prep) {
	lines := k.count()
	switch {
	case k.n == 0:
		return
	case k.inner >= 8:
		k.chunk = min(k.inner, softmaxCols)
		k.cols = (k.inner + k.chunk - 1) / k.chunk
	case k.inner == 1 && k.n <= argMaxShort && lines >= 16:
		k.chunk, k.cols = softmaxCols, 1
		p.NeedScratch(4 * k.n * softmaxCols * max(1, p.Threads))
	case k.inner == 1 && k.n >= 8:
		k.vec = true
	default:
		return
	}
	p.Path("vec")
}

type argMaxKernel struct {
	lines
	min, last bool
	vec       bool // lines of float32 in one piece
	cols      int  // of lines side by side: blocks of chunk lines of an outer index; 0: one by one
	params    []tensor.Tensor
}

func (k *argMaxKernel) Run(a *Args) {
	switch {
	case k.cols > 0 && k.inner > 1:
		a.Parallel(k.outer*k.cols, k)
	default:
		a.Parallel(k.tasks(), k)
	}
}

// sideBySide computes block i: neighbouring lines, or some short ones that are transposed.
func (k *argMaxKernel) sideBySide(out *tensor.Tensor, x, room []float32, i int) {
	var at [softmaxCols]uint32
	var top [softmaxCols]float32
	from, w, pitch := i*k.chunk, 0, k.inner
	if k.inner > 1 {
		c := i % k.cols * k.chunk
		w, from = min(k.chunk, k.inner-c), i/k.cols*k.inner+c
		x = x[k.at(from):]
	} else {
		w = min(k.chunk, k.outer-from)
		kern.Transpose(asBits(room), asBits(x[from*k.n:(from+w)*k.n]), w, k.n, w, k.n)
		x, pitch = room, w
	}
	copy(top[:w], x)
	for r := 1; r < k.n; r++ {
		kern.LargerF32(at[:], top[:w], x[r*pitch:], uint32(r))
	}
	for j, v := range at[:w] {
		setInt(out, from+j, int64(v))
	}
}

func (k *argMaxKernel) Do(a *Args, i, worker int) {
	x := arg(a, k.params, 0)
	if k.cols > 0 {
		room := tensor.CastSlice[float32](a.Scratch)
		if k.inner == 1 {
			room = room[worker*k.n*softmaxCols:][:k.n*softmaxCols]
		}
		k.sideBySide(&a.Out, f32(x), room, i)
		return
	}
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at, best := k.at(l), 0
		switch x.DType {
		case tensor.F32:
			if k.vec {
				best = argMaxRow(f32(x)[at:][:k.n])
				break
			}
			best = argMaxLine(k, f32(x)[at:])
		case tensor.I32:
			best = argMaxLine(k, i32(x)[at:])
		case tensor.I64:
			best = argMaxLine(k, i64(x)[at:])
		case tensor.I8:
			best = argMaxLine(k, x.I8()[at:])
		case tensor.U8:
			best = argMaxLine(k, x.U8()[at:])
		}
		setInt(&a.Out, l, int64(best))
	}
}

// argMaxRow is the place of a row's largest element: the first that equals it, or the
// first NaN, which the sum of the row shows (as it does opposite infinities).
func argMaxRow(x []float32) int {
	if sum := kern.SumF32(x); sum != sum {
		if i := slices.IndexFunc(x, func(v float32) bool { return v != v }); i >= 0 {
			return i
		}
	}
	return slices.Index(x, kern.MaxOfF32(x))
}

func argMaxLine[T float32 | int32 | int64 | int8 | uint8](k *argMaxKernel, x []T) (best int) {
	top := x[0]
	for i := 1; i < k.n; i++ {
		v := x[i*k.inner]
		switch {
		case top != top: // a NaN stays, or moves to a later one
			if !k.last || v == v {
				continue
			}
		case v != v, !k.min && v > top, k.min && v < top:
		case v == top && k.last:
		default:
			continue
		}
		best, top = i, v
	}
	return best
}
