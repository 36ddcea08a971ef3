package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// lrnRoom is about the floats of squares that a task works on at a time.
const lrnRoom = 4096

// lrnRows is a local response norm with an exponent of 3/4, which all networks use, on vector units: squares of some pixels lie in
// scratch with gaps of zeros between them, so that the sum of a window is one of
// shifted copies, over all pixels at once.
type lrnRows struct {
	lrnKernel
	size, pitch, room int
}

func (k *lrnKernel) prepareRows(p *Prep) Kernel {
	f := &lrnRows{lrnKernel: *k, size: k.before + k.after + 1}
	f.pitch = k.c + f.size
	f.chunk = max(1, lrnRoom/f.pitch)
	f.room = roundUp(f.chunk*f.pitch+f.size, 16)
	p.NeedScratch(4 * 2 * f.room * max(1, p.Threads))
	p.Path("vec")
	return f
}

func (k *lrnRows) Run(a *Args) { a.Parallel(k.tasks(), k) }

func (k *lrnRows) Do(a *Args, i, worker int) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	s := tensor.CastSlice[float32](a.Scratch)[2*worker*k.room:]
	from, to := i*k.chunk, min(k.rows, (i+1)*k.chunk)
	n := (to - from) * k.pitch
	squares, sum := s[:n+k.size], s[k.room:][:n]
	clear(squares)
	for r := from; r < to; r++ {
		row := x[r*k.c:][:k.c]
		rowStep(kern.Mul, squares[k.before+(r-from)*k.pitch:][:k.c], row, row)
	}
	copy(sum, squares)
	for t := 1; t < k.size; t++ {
		rowStep(kern.Add, sum, sum, squares[t:][:n])
	}
	if kern.MaxOfF32(sum) == posInf { // squares are beyond float32 from 1.8e19 on
		k.lrnKernel.Do(a, i, worker)
		return
	}
	scalarStep(kern.Mul, sum, sum, float32(k.alpha))
	scalarStep(kern.Add, sum, sum, float32(k.bias))
	kern.SqrtF32(sum, sum)
	kern.SqrtF32(squares[:n], sum)
	rowStep(kern.Mul, sum, squares[:n], sum)
	for r := from; r < to; r++ {
		rowStep(kern.Div, y[r*k.c:][:k.c], x[r*k.c:][:k.c], sum[(r-from)*k.pitch:][:k.c])
	}
}
