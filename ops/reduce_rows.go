package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// reduceRowsMax is the most numbers that are summed in float32 side by side: beyond,
// the float64 sums of the plain path are worth their time.
const reduceRowsMax = 4096

// reduceCols is the columns of one task of reduceRows.
const reduceCols = 512

// reduceLine is the shortest line in one piece that pays for a call.
const reduceLine = 16

// reduceRows is a function of the middle of [outer, n, inner] by whole rows, as the
// global average of NHWC, or where inner is 1 by lines in one piece.
type reduceRows struct {
	fn              ReduceFn
	params          []tensor.Tensor
	outer, n, inner int
	parts           int // tasks of an outer index, or with inner 1 outer indices of a task
}

// newReduceRows is nil for other functions, and when the reduced dimensions are not
// neighbours.
func newReduceRows(fn ReduceFn, params []tensor.Tensor, s tensor.Shape, reduced [tensor.MaxRank]bool) *reduceRows {
	switch fn {
	case ReduceMean, ReduceSum, ReduceMax, ReduceMin, ReduceL2, ReduceSumSquare, ReduceLogSumExp:
	default:
		return nil
	}
	k := &reduceRows{fn: fn, params: params, outer: 1, n: 1, inner: 1}
	stage := 0
	for i := range s.Rank() {
		switch on := reduced[i] && s.Dim(i) != 1; {
		case on && stage == 2:
			return nil
		case on:
			stage = 1
			k.n *= s.Dim(i)
		case s.Dim(i) == 1:
		case stage == 0:
			k.outer *= s.Dim(i)
		default:
			stage = 2
			k.inner *= s.Dim(i)
		}
	}
	if k.inner == 1 && k.n >= reduceLine && fn != ReduceMin {
		k.parts = max(1, chunkElems/k.n)
		return k
	}
	if fn == ReduceLogSumExp || k.inner < 8 || k.n < 1 || k.n > reduceRowsMax {
		return nil
	}
	k.parts = (k.inner + reduceCols - 1) / reduceCols
	return k
}

func (k *reduceRows) Run(a *Args) {
	if k.inner == 1 {
		a.Parallel((k.outer+k.parts-1)/k.parts, k)
		return
	}
	a.Parallel(k.outer*k.parts, k)
}

func (k *reduceRows) Do(a *Args, i, _ int) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	if k.inner == 1 {
		for o := i * k.parts; o < min(k.outer, (i+1)*k.parts); o++ {
			y[o] = k.line(x[o*k.n:][:k.n])
		}
		return
	}
	o, c0 := i/k.parts, i%k.parts*reduceCols
	c1 := min(k.inner, c0+reduceCols)
	k.rows(y[o*k.inner+c0:o*k.inner+c1], x[o*k.n*k.inner+c0:])
}

// rows reduces n rows, inner apart, to y.
func (k *reduceRows) rows(y, x []float32) {
	op := kern.Add
	switch k.fn {
	case ReduceMax:
		op = kern.Max
	case ReduceMin:
		op = kern.Min
	case ReduceL2, ReduceSumSquare:
		clear(y)
		for r := range k.n {
			row := x[r*k.inner:][:len(y)]
			kern.ScaleShiftF32(y, row, row, y, negInf, posInf)
		}
		if k.fn == ReduceL2 {
			k.roots(y, x)
		}
		return
	}
	if k.fn == ReduceMean || k.fn == ReduceMax && !k.anyNaN(x, len(y)) {
		pool := kern.PoolF32Args{In: x, H: k.n, W: 1, C: len(y), Pixel: k.inner, Average: k.fn == ReduceMean, KH: k.n, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, Out: y, OH: 1, OW: 1, OutPixel: len(y)}
		pool.Run(0, 1)
		return
	}
	copy(y, x[:len(y)])
	if op != kern.Add && k.anyNaN(x, len(y)) { // which kern.Max and Min drop
		for c := range y {
			v := x[c]
			for r := 1; r < k.n; r++ {
				if w := x[r*k.inner+c]; k.fn == ReduceMax {
					v = max(v, w)
				} else {
					v = min(v, w)
				}
			}
			y[c] = v
		}
		return
	}
	for r := 1; r < k.n; r++ {
		kern.BinaryF32(op, y, y, x[r*k.inner:][:len(y)], negInf, posInf)
	}
}

// anyNaN reports whether one of n rows of w numbers is none, or sums of them are not.
func (k *reduceRows) anyNaN(x []float32, w int) bool {
	if w == k.inner {
		return isNaN(kern.SumF32(x[:k.n*w]))
	}
	sum := float32(0)
	for r := range k.n {
		sum += kern.SumF32(x[r*k.inner:][:w])
	}
	return isNaN(sum)
}

// roots makes norms of sums of squares, which are beyond float32 from 1.8e19 on.
func (k *reduceRows) roots(y, x []float32) {
	if math.IsInf(float64(kern.MaxOfF32(y)), 1) {
		for c := range y {
			sum := 0.0
			for r := range k.n {
				v := float64(x[r*k.inner+c])
				sum += v * v
			}
			y[c] = float32(math.Sqrt(sum))
		}
		return
	}
	kern.SqrtF32(y, y)
}

// line reduces one line: long sums in float64, of parts that are summed in float32.
func (k *reduceRows) line(x []float32) float32 {
	if k.fn == ReduceLogSumExp {
		return logSumExp(x)
	}
	sum := 0.0
	for at := 0; at < len(x); at += reduceRowsMax {
		part := x[at:min(len(x), at+reduceRowsMax)]
		switch k.fn {
		case ReduceL2, ReduceSumSquare:
			sum += float64(kern.SumSquaresF32(part))
		default:
			sum += float64(kern.SumF32(part))
		}
	}
	switch k.fn {
	case ReduceMean:
		return float32(sum / float64(len(x)))
	case ReduceL2, ReduceSumSquare:
		if math.IsInf(sum, 1) { // squares are beyond float32 from 1.8e19 on
			sum = 0
			for _, v := range x {
				sum += float64(v) * float64(v)
			}
		}
		if k.fn == ReduceL2 {
			return float32(math.Sqrt(sum))
		}
	case ReduceMax:
		if sum == sum {
			return kern.MaxOfF32(x)
		}
		top := x[0]
		for _, v := range x {
			top = max(top, v)
		}
		return top
	}
	return float32(sum)
}

// logSumExp is log Σ exp(x) of one line.
func logSumExp(x []float32) float32 {
	top := kern.MaxOfF32(x)
	if math.IsInf(float64(top), 0) {
		for _, v := range x {
			if v != v { // which MaxOfF32 may overlook
				top = v
			}
		}
		return top
	}
	var buf [rowBuffer]float32
	return float32(float64(top) + math.Log(expSum(x, top, buf[:])))
}
