package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Prepare picks the integer form for quantised operands, else a walk over rows
// that broadcast alike.
func (b *Binary) Prepare(p *Prep) (Kernel, error) {
	if x, _ := p.Operand(0); isQuantised(x) {
		return b.prepareInt(p)
	}
	return newBinaryKernel(p, b.Fn, b.Act), nil
}

// Prepare is Binary's with a function of its own.
func (r *PRelu) Prepare(p *Prep) (Kernel, error) {
	if x, _ := p.Operand(0); isQuantised(x) {
		return r.prepareInt(p)
	}
	return newBinaryKernel(p, binaryPRelu, Act{}), nil
}

// inPlaceWhereSame promises results in the memory of each input of the
// result's own shape and element size.
func inPlaceWhereSame(p *Prep) {
	for i, s := range p.In {
		if s.Shape == p.Out.Shape && s.DType.Size() == p.Out.DType.Size() {
			p.InPlace(i)
		}
	}
}

// binaryKernel computes fn(a, b) row by row.
type binaryKernel struct {
	fn        BinaryFn
	act       Act
	lo, hi    float32 // the activation as limits
	late      bool    // the activation is no clamp: it is applied to stored rows
	params    []tensor.Tensor
	walk      *bcast
	cut       chunks
	vec       bool
	op, rop   kern.Binary
	reference bool
	repeats   int // operand 1 or 2 is a short row again and again, see repeating
}

func newBinaryKernel(p *Prep, fn BinaryFn, act Act) *binaryKernel {
	x, _ := p.Operand(0)
	y, _ := p.Operand(1)
	k := &binaryKernel{fn: fn, act: act, params: p.Params, walk: newBcast(p.Out.Shape, x.Shape, y.Shape), reference: p.Reference}
	k.cut = k.walk.split(chunkElems)
	lo, hi, ok := act.Clamp()
	k.lo, k.hi, k.late = lo, hi, !ok
	if k.late {
		k.lo, k.hi = negInf, posInf
	}
	k.op, k.rop, k.vec = kernBinary(fn)
	if k.vec && !k.reference {
		k.repeats = repeating(k.walk)
	}
	inPlaceWhereSame(p)
	p.Path("vec")
	if p.Reference || x.DType != tensor.F32 {
		p.Path("reference")
	}
	return k
}

func (k *binaryKernel) Run(a *Args) { a.Parallel(k.cut.tasks, k) }

func (k *binaryKernel) Do(a *Args, i, _ int) {
	r0, r1, e0, e1 := k.cut.task(k.walk, i)
	x, y := arg(a, k.params, 0), arg(a, k.params, 1)
	sx, sy := k.walk.step(0), k.walk.step(1)
	if k.repeats != 0 && x.DType == tensor.F32 {
		k.repeated(f32(&a.Out), f32(x), f32(y), r0, r1)
		return
	}
	for r := r0; r < r1; r++ {
		xo, yo := k.walk.at(0, r)+e0*sx, k.walk.at(1, r)+e0*sy
		from, to := r*k.walk.inner+e0, r*k.walk.inner+e1
		switch x.DType {
		case tensor.I32:
			binaryRowInt(k.fn, i32(&a.Out)[from:to], i32(x)[xo:], i32(y)[yo:], sx, sy)
		case tensor.I64:
			binaryRowInt(k.fn, i64(&a.Out)[from:to], i64(x)[xo:], i64(y)[yo:], sx, sy)
		default:
			k.row(f32(&a.Out)[from:to], f32(x)[xo:], f32(y)[yo:], sx, sy)
		}
	}
}

// repeatedRow is the longest row that is worth repeating: a call's cost is that
// of about a hundred elements.
const repeatedRow = 512

// repeating is 1 or 2 where the first or second operand is one short row again
// and again, such as a factor for each channel, while the other goes on; else 0.
func repeating(w *bcast) int {
	if w.rank < 2 || w.inner == 0 || w.inner > repeatedRow || w.step(0) != 1 || w.step(1) != 1 {
		return 0
	}
	switch d := w.rank - 2; {
	case w.stride[0][d] == 0 && w.stride[1][d] == w.inner:
		return 1
	case w.stride[1][d] == 0 && w.stride[0][d] == w.inner:
		return 2
	}
	return 0
}

// repeated computes rows [r0, r1) with the short row laid side by side, so that
// loops are long.
func (k *binaryKernel) repeated(dst, x, y []float32, r0, r1 int) {
	var tile [2 * repeatedRow]float32
	n := k.walk.inner
	most := len(tile) / n
	for r := r0; r < r1; {
		end := min(r1, (r/k.walk.dim[k.walk.rank-2]+1)*k.walk.dim[k.walk.rank-2]) // of the rows that share it
		x, y := x[k.walk.at(0, r):], y[k.walk.at(1, r):]
		row := x
		if k.repeats == 2 {
			row = y
		}
		for i := range min(most, end-r) {
			copy(tile[i*n:(i+1)*n], row)
		}
		for off := 0; r < end; {
			rows := min(most, end-r)
			if k.repeats == 1 {
				k.row(dst[r*n:(r+rows)*n], tile[:], y[off:], 1, 1)
			} else {
				k.row(dst[r*n:(r+rows)*n], x[off:], tile[:], 1, 1)
			}
			r, off = r+rows, off+rows*n
		}
	}
}

// row computes one row of float32.
func (k *binaryKernel) row(dst, x, y []float32, sx, sy int) {
	if k.reference {
		for i := range dst {
			dst[i] = k.act.apply(binaryScalar(k.fn, x[i*sx], y[i*sy]))
		}
		return
	}
	switch {
	case !k.vec || sx+sy == 0:
		if !k.extreme(dst, x, y, sx, sy) {
			binaryRowPlain(k.fn, dst, x, y, sx, sy)
		}
		if k.act.Fn != UnaryNone && !k.late {
			kern.ClampF32(dst, dst, k.lo, k.hi)
		}
	case sy == 0:
		kern.BinaryScalarF32(k.op, dst, x, y[0], k.lo, k.hi)
	case sx == 0:
		kern.BinaryScalarF32(k.rop, dst, y, x[0], k.lo, k.hi)
	default:
		kern.BinaryF32(k.op, dst, x, y, k.lo, k.hi)
	}
	if k.late {
		unaryRow(k.act.Fn, k.act.A, k.act.B, dst, dst)
	}
}

// extreme is Min and Max of rows and of a row and a number, where no element is none: false for others.
func (k *binaryKernel) extreme(dst, x, y []float32, sx, sy int) bool {
	op := kern.Max
	switch k.fn {
	case BinaryMin:
		op = kern.Min
	case BinaryMax:
	default:
		return false
	}
	if sx == 0 {
		x, y, sx, sy = y, x, sy, sx
	}
	n := len(dst)
	if sx == 0 || n < reduceLine || isNaN(kern.SumF32(x[:n])) || isNaN(kern.SumF32(y[:1+(n-1)*sy])) {
		return false
	}
	if sy == 0 {
		scalarStep(op, dst, x, y[0])
	} else {
		rowStep(op, dst, x, y)
	}
	return true
}

func isNaN(v float32) bool { return v != v }
