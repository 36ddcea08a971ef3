package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is nothing for sums and differences, else both operands; and the
// result for a fused activation.
func (b *Binary) Keeps(in, params []tensor.Spec) Keep {
	k := keepForAct(b.Act)
	if b.Fn != BinaryAdd && b.Fn != BinarySub && b.Fn != BinaryFloorDiv {
		k |= KeepIn
	}
	return k
}

// Backward prepares, for each operand v,
//
//	dv += sum over the elements that v was repeated for of dy * dfn/dv
//
// Of equal operands, Min and Max give the gradient to the first.
func (b *Binary) Backward(p *GradPrep) (GradKernel, error) {
	if x := operands(p.In, Specs(p.Params))[0]; x.DType != tensor.F32 {
		return nil, errf(KindBinary, "has no gradient on %v", x.DType)
	}
	if err := checkGradAct(KindBinary, b.Act); err != nil {
		return nil, err
	}
	return newBinaryGrad(p, b.Fn, b.Act), nil
}

// Keeps is both operands.
func (*PRelu) Keeps(in, params []tensor.Spec) Keep { return KeepIn }

// Backward prepares dx += dy * (x < 0 ? slope : 1) and dslope += the sum of
// dy*x where x < 0.
func (r *PRelu) Backward(p *GradPrep) (GradKernel, error) {
	if x := operands(p.In, Specs(p.Params))[0]; x.DType != tensor.F32 {
		return nil, errf(KindPRelu, "has no gradient on %v", x.DType)
	}
	return newBinaryGrad(p, binaryPRelu, Act{}), nil
}

// binarySlope is the derivative of fn by its operand which, 0 or 1.
func binarySlope(fn BinaryFn, which int, x, y float64) float64 {
	first := which == 0
	switch fn {
	case BinaryAdd:
		return 1
	case BinarySub:
		return 1 - 2*float64(which)
	case BinaryMul:
		if first {
			return y
		}
		return x
	case BinaryDiv:
		if first {
			return 1 / y
		}
		return -x / (y * y)
	case BinaryMin:
		return step((x <= y) == first, 1)
	case BinaryMax:
		return step((x >= y) == first, 1)
	case BinaryPow:
		return powSlope(first, x, y)
	case BinaryMod:
		if first {
			return 1
		}
		return -math.Floor(x / y)
	case BinaryFMod:
		if first {
			return 1
		}
		return -math.Trunc(x / y)
	case BinarySquaredDiff:
		return 2 * (x - y) * (1 - 2*float64(which))
	case BinaryFloorDiv:
		return 0
	case BinaryAtan2:
		if first {
			return y / (x*x + y*y)
		}
		return -x / (x*x + y*y)
	case binaryPRelu:
		if first {
			if x < 0 {
				return y
			}
			return 1
		}
		return step(x < 0, x)
	}
	panic("BUG: slope of an unknown function of two numbers")
}

// powSlope follows PyTorch: by the base it is 0 for a power of 0, by the power
// 0 for a base of 0.
func powSlope(byBase bool, x, y float64) float64 {
	switch {
	case byBase && y == 0:
		return 0
	case byBase:
		return y * math.Pow(x, y-1)
	case x == 0 && y >= 0:
		return 0
	}
	return math.Pow(x, y) * math.Log(x)
}

// binaryGrad computes the gradients of the two operands one after the other.
type binaryGrad struct {
	fn   BinaryFn
	act  actGrad
	part [2]binaryGradPart
	mul  [2]*mulGrad // nil: by part
	add  [2]addTask
	sums [2]bool // of the kind dv += ±dy, without repeats
	// first is the operand whose gradient is computed first
	first int
}

func newBinaryGrad(p *GradPrep, fn BinaryFn, act Act) *binaryGrad {
	o := operands(p.In, Specs(p.Params))
	k := &binaryGrad{fn: fn, act: newActGrad(act, p.Out.Shape.Elems())}
	for i := range k.part {
		k.part[i] = binaryGradPart{fn: fn, which: i, walk: newSumWalk(p.Out.Shape, o[i].Shape, o[0].Shape, o[1].Shape)}
		if fn == BinaryMul && !p.Reference {
			k.mul[i] = newMulGrad(i, p.Out.Shape, o)
		}
		k.add[i] = addTask{operand: i, n: p.Out.Shape.Elems(), factor: float32(1 - 2*i*int(fn&1))}
		k.sums[i] = (fn == BinaryAdd || fn == BinarySub) && o[i].Shape.Elems() == p.Out.Shape.Elems()
	}
	for i := range p.In { // one of them may take over the memory of the result's gradient, when the other has read it
		if a, m := &k.add[i], k.mul[i]; k.sums[i] {
			a.sets = p.replaces(i)
			a.shares = p.Shares() == i
		} else if m != nil && m.whole() {
			m.sets = p.replaces(i)
		}
	}
	if p.Shares() == 0 {
		k.first = 1
	}
	return k
}

func (k *binaryGrad) Run(g *Grads) {
	k.act.Run(g)
	for j := range k.part {
		i := j ^ k.first
		switch {
		case gradOf(g, i).IsZero() || k.fn == BinaryFloorDiv:
		case k.sums[i]:
			k.add[i].Run(g)
		case k.mul[i] != nil:
			k.mul[i].Run(g)
		default:
			g.Parallel(k.part[i].walk.tasks, &k.part[i])
		}
	}
}

// binaryGradPart is the gradient of one operand.
type binaryGradPart struct {
	fn    BinaryFn
	which int
	walk  sumWalk
}

// Do computes the sums of one task's elements of the operand.
func (k *binaryGradPart) Do(g *Grads, task, _ int) {
	w := &k.walk
	d, dv := g.DOut.F32(), gradOf(g, k.which).F32()
	plain := k.fn == BinaryAdd || k.fn == BinarySub
	var x, y []float32
	if !plain {
		x, y = gradArg(g, 0).F32(), gradArg(g, 1).F32()
	}
	sign := 1 - 2*float64(k.which*int(k.fn&1))
	var sum [sumWidth]float64
	for e := task * w.block; e < min(w.kept, (task+1)*w.block); e += w.width(e) {
		n := w.width(e)
		clear(sum[:n])
		at := w.keptAt(e)
		for r := range w.repeats {
			o := w.add(at, r)
			switch {
			case plain:
				for j := range n {
					sum[j] += sign * float64(d[o[0]+j*w.step[0]])
				}
			case k.fn == BinaryMul:
				other, at, step := y, o[2], w.step[2]
				if k.which == 1 {
					other, at, step = x, o[1], w.step[1]
				}
				for j := range n {
					sum[j] += float64(d[o[0]+j*w.step[0]]) * float64(other[at+j*step])
				}
			case k.fn == binaryPRelu:
				for j := range n {
					dv, xv := float64(d[o[0]+j*w.step[0]]), float64(x[o[1]+j*w.step[1]])
					if k.which == 1 {
						sum[j] += dv * min(xv, 0)
						continue
					}
					left := float64(math.Float32bits(float32(xv)) >> 31) // 1 for a negative x
					sum[j] += dv * (1 - left + left*float64(y[o[2]+j*w.step[2]]))
				}
			default:
				for j := range n {
					xv, yv := float64(x[o[1]+j*w.step[1]]), float64(y[o[2]+j*w.step[2]])
					sum[j] += float64(d[o[0]+j*w.step[0]]) * binarySlope(k.fn, k.which, xv, yv)
				}
			}
		}
		for j := range n {
			dv[e+j] += float32(sum[j])
		}
	}
}
