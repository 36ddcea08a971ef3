package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Prepare picks the integer form, the plain walk, or sums of whole rows.
func (r *Reduce) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if isQuantised(x) {
		return r.prepareInt(p)
	}
	reduced, _, err := r.resolve(x.Shape)
	if err != nil {
		return nil, err
	}
	if x.DType == tensor.F32 && !p.Reference {
		if k := newReduceRows(r.Fn, p.Params, x.Shape, reduced); k != nil {
			p.Path("vec")
			return k, nil
		}
	}
	p.Path("reference")
	return &reduceKernel{r.Fn, p.Params, newSumWalk(x.Shape, withOnes(x.Shape, reduced))}, nil
}

// reduceKernel is the definition: each element of the result in float64 (or
// int64), in order of memory; neighbouring ones side by side.
type reduceKernel struct {
	fn     ReduceFn
	params []tensor.Tensor
	walk   sumWalk
}

func (k *reduceKernel) Run(a *Args) { a.Parallel(k.walk.tasks, k) }

func (k *reduceKernel) Do(a *Args, task, _ int) {
	w := &k.walk
	x := arg(a, k.params, 0)
	for e := task * w.block; e < min(w.kept, (task+1)*w.block); e += w.width(e) {
		switch n := w.width(e); x.DType {
		case tensor.I32:
			reduceInts(k, i32(&a.Out)[e:e+n], i32(x), e)
		case tensor.I64:
			reduceInts(k, i64(&a.Out)[e:e+n], i64(x), e)
		default:
			k.floats(f32(&a.Out)[e:e+n], f32(x), e)
		}
	}
}

// floats computes neighbouring elements of the result from element e on.
func (k *reduceKernel) floats(out, x []float32, e int) {
	w := &k.walk
	at := w.keptAt(e)
	var acc, top [sumWidth]float64
	for j := range out {
		acc[j], top[j] = k.fn.start(), math.Inf(-1)
	}
	if k.fn == ReduceLogSumExp {
		for r := range w.repeats {
			o := w.add(at, r)[0]
			for j := range out {
				top[j] = max(top[j], float64(x[o+j*w.step[0]]))
			}
		}
	}
	for r := range w.repeats {
		o := w.add(at, r)[0]
		for j := range out {
			v := float64(x[o+j*w.step[0]])
			switch k.fn {
			case ReduceMean, ReduceSum, ReduceLogSum:
				acc[j] += v
			case ReduceMax:
				acc[j] = max(acc[j], v)
			case ReduceMin:
				acc[j] = min(acc[j], v)
			case ReduceProd:
				acc[j] *= v
			case ReduceL1:
				acc[j] += math.Abs(v)
			case ReduceL2, ReduceSumSquare:
				acc[j] += v * v
			case ReduceLogSumExp:
				if v != top[j] { // Inf-Inf is no number
					acc[j] += math.Exp(v - top[j])
				} else {
					acc[j]++
				}
			}
		}
	}
	for j := range out {
		out[j] = float32(k.fn.finish(acc[j], top[j], w.repeats))
	}
}

func (fn ReduceFn) start() float64 {
	switch fn {
	case ReduceMax:
		return math.Inf(-1)
	case ReduceMin:
		return math.Inf(1)
	case ReduceProd:
		return 1
	}
	return 0
}

func (fn ReduceFn) finish(acc, top float64, n int) float64 {
	switch fn {
	case ReduceMean:
		return acc / float64(n)
	case ReduceL2:
		return math.Sqrt(acc)
	case ReduceLogSum:
		return math.Log(acc)
	case ReduceLogSumExp:
		if math.IsInf(top, -1) {
			return top
		}
		return top + math.Log(acc)
	}
	return acc
}

// reduceInts computes neighbouring elements of an integer result.
func reduceInts[T int32 | int64](k *reduceKernel, out, x []T, e int) {
	w := &k.walk
	at := w.keptAt(e)
	for j := range out {
		var acc int64
		switch k.fn {
		case ReduceProd:
			acc = 1
		case ReduceMax:
			acc = math.MinInt64
		case ReduceMin:
			acc = math.MaxInt64
		}
		for r := range w.repeats {
			v := int64(x[w.add(at, r)[0]+j*w.step[0]])
			switch k.fn {
			case ReduceProd:
				acc *= v
			case ReduceMax:
				acc = max(acc, v)
			case ReduceMin:
				acc = min(acc, v)
			default:
				acc += v
			}
		}
		if k.fn == ReduceMean && w.repeats > 0 {
			acc /= int64(w.repeats)
		}
		out[j] = T(acc)
	}
}
