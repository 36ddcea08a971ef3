package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// PrepareLive prepares a maximum that notes its winners where a gradient will ask
// for them.
func (o *Pool) PrepareLive(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if !p.Training || x.DType != tensor.F32 || o.Fn != PoolMax || o.Output != 0 {
		return o.Prepare(p)
	}
	g, err := o.Resolve(KindPool, x.Shape, nil)
	if err != nil {
		return nil, err
	}
	if g.Taps() > 256 {
		return nil, errf(KindPool, "a window of %d positions is too large to train", g.Taps())
	}
	k := o.kernel(p, g)
	p.NeedAux(k.n * g.OutSize() * k.c)
	p.Path("argmax")
	return &poolArgmax{k, newPoolTaps(k)}, nil
}

// poolArgmax is the maximum in training: it notes which tap won, a byte each.
type poolArgmax struct {
	*poolKernel
	wins poolTaps
}

func (k *poolArgmax) Run(a *Args) { a.Parallel(k.n, k) }

// Do computes one image.
func (k *poolArgmax) Do(a *Args, n, _ int) {
	size := k.OutSize()
	w := kern.Winners{
		X: arg(a, k.params, 0).F32()[n*k.InSize()*k.c:][:k.InSize()*k.c], Y: a.Out.F32()[n*size*k.pitch:], Won: a.Aux[n*size*k.c:], N: k.c,
	}
	k.wins.each(k.poolKernel, w, false)
	if k.op.Act.Fn != UnaryNone {
		k.op.Act.rows(w.Y, size, k.c, k.pitch)
	}
}

// poolTaps is what the taps of a window see.
type poolTaps struct {
	inside []kern.Tap // of a window without padding, from its first tap
}

func newPoolTaps(k *poolKernel) poolTaps {
	w := poolTaps{make([]kern.Tap, 0, k.Taps())}
	for d := range k.Kernel[0] {
		for h := range k.Kernel[1] {
			for x := range k.Kernel[2] {
				at := ((d*k.Dilation[0]*k.In[1]+h*k.Dilation[1])*k.In[2] + x*k.Dilation[2]) * k.c
				w.inside = append(w.inside, kern.Tap{At: at, No: len(w.inside)})
			}
		}
	}
	return w
}

// each picks the winners of every position of an image, or adds what is theirs. w is
// the whole image's.
func (p *poolTaps) each(k *poolKernel, w kern.Winners, add bool) {
	var room [256]kern.Tap
	row, one := 0, w
	for d := range k.Out[0] {
		for h := range k.Out[1] {
			for x := range k.Out[2] {
				one.Y, one.Won = w.Y[row*k.pitch:][:k.c], w.Won[row*k.c:][:k.c]
				row++
				o := [3]int{d, h, x}
				from, all := 0, true
				for i := range o {
					o[i] = o[i]*k.Stride[i] - k.PadLo[i]
					from = from*k.In[i] + o[i]
					all = all && o[i] >= 0 && o[i]+(k.Kernel[i]-1)*k.Dilation[i] < k.In[i]
				}
				if all {
					one.X, one.Taps = w.X[from*k.c:], p.inside
				} else {
					one.X, one.Taps = w.X, p.within(room[:0], k, o)
				}
				switch {
				case add:
					one.Add()
				case len(one.Taps) > 0:
					one.Pick()
				default: // all in the padding
					for c := range one.Y {
						one.Y[c], one.Won[c] = float32(math.Inf(-1)), 0
					}
				}
			}
		}
	}
}

// within appends the taps that see something from a corner of the padding.
func (p *poolTaps) within(taps []kern.Tap, k *poolKernel, o [3]int) []kern.Tap {
	for no := range p.inside {
		t := [3]int{no / (k.Kernel[1] * k.Kernel[2]), no / k.Kernel[2] % k.Kernel[1], no % k.Kernel[2]}
		at, ok := 0, true
		for i := range t {
			x := o[i] + t[i]*k.Dilation[i]
			at, ok = at*k.In[i]+x, ok && uint(x) < uint(k.In[i])
		}
		if ok {
			taps = append(taps, kern.Tap{At: at * k.c, No: no})
		}
	}
	return taps
}
