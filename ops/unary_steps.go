package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// rowLoop is a loop of kern over rows of a few elements, and a function of several such is a list of them: less of a program
// than calls would be.
type rowLoop struct {
	op        stepOp
	dst, x, y uint8 // see the rows below
	c         float32
}

type stepOp uint8

// The steps: those of kern.Binary, then with c for y, then others.
const (
	stepScalar stepOp = 8
	stepSeries stepOp = iota + 15 // x·y + c
	stepSign                      // the sign of x, where that is no smaller than 2^-100
	stepExp
	stepAbs
	stepSqrt
	stepSin
	stepCos
	stepSplit // two results, see splitStep
)

const (
	stepAdd, stepSub, stepMul, stepDiv = stepOp(kern.Add), stepOp(kern.Sub), stepOp(kern.Mul), stepOp(kern.Div)
	addC, subC, mulC, rdivC            = stepScalar + stepAdd, stepScalar + stepSub, stepScalar + stepMul, stepScalar + stepOp(kern.RDiv)
	maxC, minC                         = stepScalar + stepOp(kern.Max), stepScalar + stepOp(kern.Min)
)

// The rows of steps: the result, which may be in the operand's memory, the operand and three others.
const (
	rowY = iota
	rowX
	rowE
	rowT
	rowU
	numRows
)

var rowLoops = [...]struct {
	fn    UnaryFn
	loops []rowLoop
}{
	{UnaryReciprocal, []rowLoop{{rdivC, rowY, rowX, 0, 1}}},
	{UnaryRsqrt, []rowLoop{{stepSqrt, rowY, rowX, 0, 0}, {rdivC, rowY, rowY, 0, 1}}},
	{UnaryTan, []rowLoop{{stepSin, rowE, rowX, 0, 0}, {stepCos, rowT, rowX, 0, 0}, {stepDiv, rowY, rowE, rowT, 0}}},
	{UnarySign, []rowLoop{{stepSign, rowE, rowX, 0, 0}, {stepSign, rowY, rowE, 0, 0}}},
	// tanh(log(1+e)) = (e² + 2e) / (e² + 2e + 2) with e = exp(x); from 20 on it is 1.
	{UnaryMish, []rowLoop{{minC, rowE, rowX, 0, 20}, {stepExp, rowE, rowE, 0, 0}, {addC, rowT, rowE, 0, 2}, {stepMul, rowE, rowE, rowT, 0},
		{addC, rowT, rowE, 0, 2}, {stepDiv, rowE, rowE, rowT, 0}, {stepMul, rowY, rowX, rowE, 0}}},
	// k log 2 + 2 atanh((m-1)/(m+1)) by its series.
	{UnaryLog, []rowLoop{{stepSplit, rowE, rowX, rowT, 0}, {subC, rowY, rowT, 0, 1}, {addC, rowT, rowT, 0, 1}, {stepDiv, rowY, rowY, rowT, 0}, {stepMul, rowT, rowY, rowY, 0},
		{mulC, rowU, rowT, 0, 2. / 9}, {addC, rowU, rowU, 0, 2. / 7}, {stepSeries, rowU, rowU, rowT, 2. / 5}, {stepSeries, rowU, rowU, rowT, 2. / 3},
		{stepSeries, rowU, rowU, rowT, 2}, {stepMul, rowY, rowY, rowU, 0}, {stepAdd, rowY, rowY, rowE, 0}}},
	// max(x, 0) + log(1+e) with e = exp(-|x|), the logarithm 2 atanh(e/(2+e)) by its series, to 2e-8.
	{UnarySoftplus, []rowLoop{{stepAbs, rowE, rowX, 0, 0}, {mulC, rowE, rowE, 0, -1}, {stepExp, rowE, rowE, 0, 0}, {addC, rowT, rowE, 0, 2},
		{stepDiv, rowE, rowE, rowT, 0}, {stepMul, rowT, rowE, rowE, 0}, {mulC, rowU, rowT, 0, 2. / 13}, {addC, rowU, rowU, 0, 2. / 11},
		{stepSeries, rowU, rowU, rowT, 2. / 9}, {stepSeries, rowU, rowU, rowT, 2. / 7}, {stepSeries, rowU, rowU, rowT, 2. / 5},
		{stepSeries, rowU, rowU, rowT, 2. / 3}, {stepSeries, rowU, rowU, rowT, 2}, {stepMul, rowU, rowU, rowE, 0}, {maxC, rowY, rowX, 0, 0}, {stepAdd, rowY, rowY, rowU, 0}}},
	// A polynomial of z = min(|x|, 1/|x|), from whose value p that of the rest of π/2 differs by π/2 - 2p.
	{UnaryAtan, []rowLoop{{stepAbs, rowT, rowX, 0, 0}, {rdivC, rowE, rowT, 0, 1}, {stepOp(kern.Min), rowE, rowT, rowE, 0}, {stepMul, rowT, rowE, rowE, 0},
		{mulC, rowU, rowT, 0, 0.0027662835}, {addC, rowU, rowU, 0, -0.01573125}, {stepSeries, rowU, rowU, rowT, 0.042137624},
		{stepSeries, rowU, rowU, rowT, -0.07456855}, {stepSeries, rowU, rowU, rowT, 0.106183706}, {stepSeries, rowU, rowU, rowT, -0.14197798},
		{stepSeries, rowU, rowU, rowT, 0.19991872}, {stepSeries, rowU, rowU, rowT, -0.33333037}, {stepSeries, rowU, rowU, rowT, 1}, {stepMul, rowU, rowU, rowE, 0},
		{stepAbs, rowT, rowX, 0, 0}, {subC, rowT, rowT, 0, 1}, {stepSign, rowT, rowT, 0, 0}, {maxC, rowT, rowT, 0, 0}, // whether |x| > 1
		{mulC, rowE, rowU, 0, -2}, {addC, rowE, rowE, 0, math.Pi / 2}, {stepMul, rowE, rowE, rowT, 0}, {stepAdd, rowU, rowU, rowE, 0},
		{stepSign, rowE, rowX, 0, 0}, {stepSign, rowE, rowE, 0, 0}, {stepMul, rowY, rowU, rowE, 0}}},
}

// unarySteps is fn by several loops of kern, rowBuffer elements at a time; false
// for a function that has no such form. dst may be x.
func unarySteps(fn UnaryFn, a, b float32, dst, x []float32) bool {
	half, left, right := float32(0.5), 2*a, float32(1)
	var p []rowLoop
	switch {
	case fn == UnaryElu:
	case fn == UnarySelu:
		left, right = 2*a*b, b
	case fn == UnaryCelu && a > 0:
		half /= a
	case fn == UnaryLogSigmoid: // -Softplus(-x)
		scalarStep(kern.Mul, dst, x, -1)
		unarySteps(UnarySoftplus, 0, 0, dst, dst)
		scalarStep(kern.Mul, dst, dst, -1)
		return true
	default:
		for i := range rowLoops {
			if rowLoops[i].fn == fn {
				p = rowLoops[i].loops
			}
		}
		if p == nil {
			return false
		}
	}
	var e, t, u [rowBuffer]float32
	for len(dst) > 0 {
		n := min(rowBuffer, len(dst))
		rows := [numRows][]float32{dst[:n], x[:n], e[:n], t[:n], u[:n]}
		if p != nil {
			runSteps(p, &rows)
		} else {
			expm1Step(half, left, right, &rows)
		}
		dst, x = dst[n:], x[n:]
	}
	return true
}

func runSteps(p []rowLoop, rows *[numRows][]float32) {
	for i := range p {
		s := &p[i]
		d, v, w := rows[s.dst], rows[s.x], rows[s.y]
		switch s.op {
		case stepSeries:
			rowStep(kern.Mul, d, v, w)
			scalarStep(kern.Add, d, d, s.c)
		case stepSign:
			kern.BinaryScalarF32(kern.Mul, d, v, 1<<100, -1, 1)
		case stepExp:
			kern.ExpF32(d, v)
		case stepAbs:
			kern.AbsF32(d, v)
		case stepSqrt:
			kern.SqrtF32(d, v)
		case stepSin, stepCos:
			kern.SinF32(int(s.op-stepSin), d, v)
		case stepSplit:
			splitStep(d, w, v)
		default:
			if s.op < stepScalar {
				rowStep(kern.Binary(s.op), d, v, w)
			} else {
				scalarStep(kern.Binary(s.op-stepScalar), d, v, s.c)
			}
		}
	}
}

// splitStep is k·log 2 and m of x = m·2^k with m from 1/√2 to √2; of numbers that are not positive and normal log x and 1.
func splitStep(k, m, x []float32) {
	k, m = k[:len(x)], m[:len(x)]
	for i, v := range x {
		bits := math.Float32bits(v)
		if bits-0x00800000 >= 0x7f000000 {
			k[i], m[i] = unaryScalar(UnaryLog, 0, 0, v), 1
			continue
		}
		bits -= 0x3f3504f3
		k[i] = float32(int32(bits)>>23) * float32(math.Ln2)
		m[i] = math.Float32frombits(bits&0x007fffff + 0x3f3504f3)
	}
}

// scalarStep and rowStep are a kern operation without a clamp.
//
//go:noinline
func scalarStep(op kern.Binary, dst, x []float32, s float32) {
	kern.BinaryScalarF32(op, dst, x, s, negInf, posInf)
}

//go:noinline
func rowStep(op kern.Binary, dst, x, y []float32) { kern.BinaryF32(op, dst, x, y, negInf, posInf) }

// expm1Step is dst = right*max(x, 0) + left/2*(exp(2*half*min(x, 0)) - 1), by
// exp(2z) - 1 = 2t/(1-t) with t = tanh z, which is as exact near 0.
func expm1Step(half, left, right float32, rows *[numRows][]float32) {
	dst, x, e, t := rows[rowY], rows[rowX], rows[rowE], rows[rowT]
	kern.BinaryScalarF32(kern.Mul, e, x, half, negInf, 0)
	kern.TanhF32(e, e)
	scalarStep(kern.RSub, t, e, 1)
	rowStep(kern.Div, e, e, t)
	kern.ClampF32(dst, x, 0, posInf)
	kern.AxpyF32(dst, e, left, right)
}
