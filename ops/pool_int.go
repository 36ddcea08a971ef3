package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Pooling of integers. The maximum is a maximum. The average follows TFLite's
// own kernel, to which XNNPACK leaves it: the mean of the stored integers over
// the positions inside the input, rounded half away from 0, in the input's own
// scale. Global averages and averages to another scale follow XNNPACK: a sum
// of (x - zx), requantised by sx/(sy*count) (see qmath.go).

// prepareInt is Prepare for an 8-bit input.
func (o *Pool) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	for i, s := range []*tensor.Spec{x, &p.Out} {
		if err := wantAffine(KindPool, [...]string{"input", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	if o.Output != 0 || o.Fn == PoolLp {
		return nil, errf(KindPool, "only the maximum and the average have an integer form")
	}
	g, err := o.Resolve(KindPool, x.Shape, nil)
	if err != nil {
		return nil, err
	}
	k := &poolInt{Geom: g, params: p.Params, n: x.Shape.Dim(0), c: x.Shape.Channels(), x: newQ8(x), avg: o.Fn == PoolAvg}
	k.pitch = outPitch(p.OutPitch, k.c)
	k.includePad = o.CountIncludePad
	sx, zx := x.Quant.At(0)
	sy, zy := p.Out.Quant.At(0)
	k.rescale = sx != sy || zx != zy || x.DType != p.Out.DType
	k.sx, k.sy, k.zy = sx, sy, zy
	lo, hi := tensor.IntRange(p.Out.DType)
	if k.lo, k.hi, err = o.Act.quantLimits(sy, zy, lo, hi); err != nil {
		return nil, errf(KindPool, "%v", err)
	}
	k.plainMax = !k.rescale && int64(k.lo) == lo && int64(k.hi) == hi
	if p.Reference {
		p.Path("reference/int")
		return k, nil
	}
	if k.avg {
		p.NeedScratch(4 * roundUp(k.c, 16) * max(1, p.Threads))
	}
	p.Path("vector/int")
	return &poolIntRows{k}, nil
}

type poolInt struct {
	Geom
	params     []tensor.Tensor
	n, c       int
	pitch      int
	x          q8
	avg        bool
	includePad bool
	rescale    bool
	plainMax   bool // neither scale nor limits change a maximum
	sx, sy     float32
	zy, lo, hi int32
}

func (k *poolInt) Run(a *Args) {
	x, y := arg(a, k.params, 0).Data, a.Out.Data
	row := 0
	for n := range k.n {
		for od := range k.Out[0] {
			for oh := range k.Out[1] {
				for ow := range k.Out[2] {
					for c := range k.c {
						y[row*k.pitch+c] = byte(k.at(x, n, [3]int{od, oh, ow}, c))
					}
					row++
				}
			}
		}
	}
}

// at is one output.
func (k *poolInt) at(x []byte, n int, o [3]int, c int) int32 {
	var sum, count int32
	top := k.lo - 1<<16
	for kd := range k.Kernel[0] {
		for kh := range k.Kernel[1] {
			for kw := range k.Kernel[2] {
				d := o[0]*k.Stride[0] + kd*k.Dilation[0] - k.PadLo[0]
				h := o[1]*k.Stride[1] + kh*k.Dilation[1] - k.PadLo[1]
				v := o[2]*k.Stride[2] + kw*k.Dilation[2] - k.PadLo[2]
				if uint(d) >= uint(k.In[0]) || uint(h) >= uint(k.In[1]) || uint(v) >= uint(k.In[2]) {
					continue
				}
				q := k.x.raw(x[(((n*k.In[0]+d)*k.In[1]+h)*k.In[2]+v)*k.c+c])
				sum += q
				top = max(top, q)
				count++
			}
		}
	}
	if k.avg {
		return k.average(sum, count)
	}
	return k.largest(top, count)
}

// largest is the result for the largest stored integer of a window of count
// positions.
func (k *poolInt) largest(top, count int32) int32 {
	switch {
	case count == 0: // a window in the padding alone
		return min(max(k.zy, k.lo), k.hi)
	case k.rescale:
		return requantize(top-k.x.zero, k.sx/k.sy, k.zy, k.lo, k.hi)
	}
	return min(max(top, k.lo), k.hi)
}

// average is the result for a sum of stored integers over count positions.
func (k *poolInt) average(sum, count int32) int32 {
	if k.includePad { // the padding holds zero points
		all := int32(k.Taps())
		sum += (all - count) * k.x.zero
		count = all
	}
	switch {
	case count == 0:
		return min(max(k.zy, k.lo), k.hi)
	case k.rescale:
		return requantize(sum-count*k.x.zero, k.sx/float32(k.sy*float32(count)), k.zy, k.lo, k.hi)
	case sum > 0:
		sum += count / 2
	default:
		sum -= count / 2
	}
	return min(max(sum/count, k.lo), k.hi)
}

// poolIntRows is poolInt with vectors over channels, a task an output row.
type poolIntRows struct{ *poolInt }

func (k *poolIntRows) Run(a *Args) { a.Parallel(k.n*k.Out[0]*k.Out[1], k) }

// Do computes one output row.
func (k *poolIntRows) Do(a *Args, i, worker int) {
	x, y := arg(a, k.params, 0).Data, a.Out.Data
	n, o := i/(k.Out[0]*k.Out[1]), [3]int{i / k.Out[1] % k.Out[0], i % k.Out[1], 0}
	var acc []int32
	if k.avg {
		c := roundUp(k.c, 16)
		acc = tensor.CastSlice[int32](a.Scratch[4*c*worker : 4*c*(worker+1)])[:k.c]
	}
	done := 0 // outputs whose maxima are there already
	if !k.avg && k.plainMax && k.Kernel[0] == 1 {
		done = k.inside(x, y, n, i, o)
	}
	first := k.firstInside()
	for o[2] = range k.Out[2] {
		if first <= o[2] && o[2] < first+done {
			continue
		}
		to := y[(i*k.Out[2]+o[2])*k.pitch:][:k.c]
		clear(acc)
		var count int32
		for kd := range k.Kernel[0] {
			for kh := range k.Kernel[1] {
				for kw := range k.Kernel[2] {
					d := o[0]*k.Stride[0] + kd*k.Dilation[0] - k.PadLo[0]
					h := o[1]*k.Stride[1] + kh*k.Dilation[1] - k.PadLo[1]
					v := o[2]*k.Stride[2] + kw*k.Dilation[2] - k.PadLo[2]
					if uint(d) >= uint(k.In[0]) || uint(h) >= uint(k.In[1]) || uint(v) >= uint(k.In[2]) {
						continue
					}
					from := x[(((n*k.In[0]+d)*k.In[1]+h)*k.In[2]+v)*k.c:][:k.c]
					switch {
					case k.avg:
						kern.AccumulateI8(acc, from, k.x.signed, 0)
					case count == 0:
						copy(to, from)
					default:
						kern.MaxI8(to, from, k.x.signed)
					}
					count++
				}
			}
		}
		if !k.avg && k.plainMax && count > 0 {
			continue // the largest stored integer is the result
		}
		for c := range to {
			if k.avg {
				to[c] = byte(k.average(acc[c], count))
			} else {
				to[c] = byte(k.largest(k.x.raw(to[c]), count))
			}
		}
	}
}

// firstInside is the first output of a row whose window starts inside the input.
func (k *poolIntRows) firstInside() int { return (k.PadLo[2] + k.Stride[2] - 1) / k.Stride[2] }

// inside computes the maxima of output row i whose windows see no padding to the
// left or right, and returns how many there are.
func (k *poolIntRows) inside(x, y []byte, n, i int, o [3]int) int {
	d, h := o[0]*k.Stride[0]-k.PadLo[0], o[1]*k.Stride[1]-k.PadLo[1]
	rows := k.Kernel[1]
	for ; rows > 0 && h < 0; rows-- {
		h += k.Dilation[1]
	}
	for rows > 0 && h+(rows-1)*k.Dilation[1] >= k.In[1] {
		rows--
	}
	first := k.firstInside()
	left := first*k.Stride[2] - k.PadLo[2]
	room := k.In[2] - 1 - (k.Kernel[2]-1)*k.Dilation[2] - left
	if rows < 1 || uint(d) >= uint(k.In[0]) || room < 0 || first >= k.Out[2] {
		return 0
	}
	count := min(room/k.Stride[2]+1, k.Out[2]-first)
	kern.MaxPoolI8(y[(i*k.Out[2]+first)*k.pitch:], x[(((n*k.In[0]+d)*k.In[1]+h)*k.In[2]+left)*k.c:], &kern.MaxI8Args{
		Signed: k.x.signed, C: k.c, Rows: rows, Cols: k.Kernel[2], RowStride: k.Dilation[1] * k.In[2] * k.c, ColStride: k.Dilation[2] * k.c,
		Pixels: count, InStep: k.Stride[2] * k.c, OutStep: k.pitch,
	})
	return count
}

// prepareInt is Prepare for an 8-bit input.
func (o *GlobalPool) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if o.Fn == PoolLp || x.Shape.Rank() < 2 {
		return nil, errf(KindGlobalPool, "only the maximum and the average have an integer form")
	}
	k, err := newReduceInt(KindGlobalPool, p, x, x.Shape.Dim(0), x.Shape.Rows()/max(1, x.Shape.Dim(0)), x.Shape.Channels())
	if err != nil {
		return nil, err
	}
	k.max = o.Fn == PoolMax
	return k, nil
}

// reduceInt is the mean or maximum over the middle of [outer, n, inner].
type reduceInt struct {
	params          []tensor.Tensor
	outer, n, inner int
	x               q8
	max             bool
	scale, ratio    float32 // of a sum, of one element
	zy, lo, hi      int32
	same            bool // input and output have one quantisation
	plain           bool
}

func newReduceInt(kind Kind, p *Prep, x *tensor.Spec, outer, n, inner int) (*reduceInt, error) {
	for i, s := range []*tensor.Spec{x, &p.Out} {
		if err := wantAffine(kind, [...]string{"input", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	k := &reduceInt{params: p.Params, outer: outer, n: n, inner: inner, x: newQ8(x)}
	sx, _ := x.Quant.At(0)
	sy, zy := p.Out.Quant.At(0)
	lo, hi := tensor.IntRange(p.Out.DType)
	k.zy, k.lo, k.hi = zy, int32(lo), int32(hi)
	k.scale, k.ratio = sx/float32(sy*float32(n)), sx/sy
	k.same = x.Quant.Equal(p.Out.Quant) && x.DType == p.Out.DType
	k.plain = p.Reference
	if p.Path("reference/int"); !k.plain {
		p.NeedScratch(4 * inner)
		p.Path("vector/int")
	}
	return k, nil
}

func (k *reduceInt) Run(a *Args) {
	x, y := arg(a, k.params, 0).Data, a.Out.Data
	if !k.plain && !k.max {
		acc := tensor.CastSlice[int32](a.Scratch)[:k.inner]
		for o := range k.outer {
			clear(acc)
			for i := range k.n {
				kern.AccumulateI8(acc, x[(o*k.n+i)*k.inner:][:k.inner], k.x.signed, k.x.zero)
			}
			kern.RequantizeI8(y[o*k.inner:][:k.inner], acc, k.scale, k.zy, k.lo, k.hi)
		}
		return
	}
	for o := range k.outer {
		for c := range k.inner {
			var sum int32
			top := int32(-1 << 16)
			for i := range k.n {
				q := k.x.raw(x[(o*k.n+i)*k.inner+c])
				sum += q - k.x.zero
				top = max(top, q)
			}
			v := top
			switch {
			case !k.max:
				v = requantize(sum, k.scale, k.zy, k.lo, k.hi)
			case !k.same:
				v = requantize(top-k.x.zero, k.ratio, k.zy, k.lo, k.hi)
			}
			y[o*k.inner+c] = byte(v)
		}
	}
}
