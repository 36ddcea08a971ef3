package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Dropout is the identity when a model infers. In a trainer, or with Training
// set, each element is dropped with probability Rate, and those that stay are
// scaled so that the expectation is x ("inverted" dropout):
//
//	y[i] = keep(i) ? x[i] / (1-Rate) : 0
//
// keep(i) depends on Args.Seed, Seed and i alone: bits of splitmix64 at
// counter i. One operand of any shape, f32.
type Dropout struct {
	Rate     float32 // in [0, 1]
	Seed     int
	Output   int  // 0 the value, 1 the mask (bool, true where kept)
	Training bool // drop even outside a trainer
}

// Kind is KindDropout.
func (*Dropout) Kind() Kind { return KindDropout }

// Fields lists the attributes.
func (d *Dropout) Fields(f Fields) {
	f.Float("rate", &d.Rate)
	f.Int("seed", &d.Seed)
	f.Int("output", &d.Output)
	f.Bool("training", &d.Training)
}

// Infer is the operand's spec, or bool for the mask.
func (d *Dropout) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindDropout, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !(d.Rate >= 0 && d.Rate <= 1) {
		return tensor.Spec{}, errf(KindDropout, "rate %v", d.Rate)
	}
	switch d.Output {
	case 0:
		return o[0], nil
	case 1:
		return tensor.Spec{DType: tensor.Bool, Shape: o[0].Shape}, nil
	}
	return tensor.Spec{}, errf(KindDropout, "output %d", d.Output)
}

// Prepare is a view when nothing is dropped.
func (d *Dropout) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	n := x.Shape.Elems()
	drop := (p.Training || d.Training) && d.Rate > 0
	if d.Output == 0 && !drop {
		if len(p.In) > 0 {
			p.View(0)
			return nil, nil
		}
		return &castKernel{p.Params, n}, nil
	}
	k := &dropoutKernel{params: p.Params, n: n, seed: uint64(d.Seed), mask: d.Output == 1, limit: -1}
	if drop {
		if err := wantF32(KindDropout, "input", x); err != nil {
			return nil, err
		}
		k.limit, k.scale = dropLimit(d.Rate), dropScale(d.Rate)
	}
	if d.Output == 0 {
		if len(p.In) > 0 {
			p.InPlace(0)
		}
		if p.Training {
			p.NeedAux((n + 7) / 8)
		}
	}
	p.Path("reference")
	return k, nil
}

// dropLimit is the largest number of 32 random bits that drops an element.
func dropLimit(rate float32) int64 { return int64(float64(rate)*(1<<32)) - 1 }

// dropScale is what kept elements are multiplied by; nothing is kept at rate 1.
func dropScale(rate float32) float32 {
	if rate == 1 {
		return 0
	}
	return float32(1 / (1 - float64(rate)))
}

// Key is the stream of random numbers for Args.Seed: element i is dropped by half
// i%2, the lower first, of splitmix64 at i/2.
func (d *Dropout) Key(seed uint64) uint64 { return splitmix64(seed, uint64(d.Seed)) }

// Draw is the largest 32 random bits that drop an element, and what others are
// multiplied by.
func (d *Dropout) Draw() (limit int64, scale float32) { return dropLimit(d.Rate), dropScale(d.Rate) }

type dropoutKernel struct {
	params []tensor.Tensor
	n      int
	seed   uint64
	limit  int64 // random numbers up to this drop
	scale  float32
	mask   bool
}

func (k *dropoutKernel) Run(a *Args) { a.Parallel((k.n+chunkElems-1)/chunkElems, k) }

// splitmix64 is Steele, Lea and Flood's generator at counter i of stream key.
func splitmix64(key, i uint64) uint64 {
	z := key + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Do makes one number of 64 bits for two elements; tasks begin at even
// elements and at whole mask bytes.
func (k *dropoutKernel) Do(a *Args, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	key := splitmix64(a.Seed, k.seed)
	var x, y []float32
	if !k.mask {
		x, y = argF32(a, k.params, 0), f32(&a.Out)
	}
	bits := a.Aux
	if len(bits) > 0 {
		clear(bits[from/8 : (to+7)/8])
	}
	var r uint64
	for j := from; j < to; j++ {
		if j&1 == 0 {
			r = splitmix64(key, uint64(j/2))
		} else {
			r >>= 32
		}
		// No branch: it would be guessed wrong.
		keep := uint32((k.limit - int64(uint32(r))) >> 63) // all ones, or 0
		if k.mask {
			a.Out.Data[j] = byte(keep & 1)
			continue
		}
		y[j] = math.Float32frombits(math.Float32bits(x[j]*k.scale) & keep)
		if len(bits) > 0 {
			bits[j/8] |= byte(keep&1) << (j % 8)
		}
	}
}

// Keeps is nothing: the mask is in Aux.
func (*Dropout) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward prepares dx[i] += keep(i) ? dy[i]/(1-Rate) : 0.
func (d *Dropout) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if d.Output != 0 || x.DType != tensor.F32 {
		return nil, errf(KindDropout, "has no gradient for output %d on %v", d.Output, x.DType)
	}
	n := x.Shape.Elems()
	if d.Rate == 0 {
		return &addTask{n: n, factor: 1}, nil
	}
	return &dropoutGrad{n, dropScale(d.Rate)}, nil
}

type dropoutGrad struct {
	n     int
	scale float32
}

func (k *dropoutGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel((k.n+chunkElems-1)/chunkElems, k)
	}
}

func (k *dropoutGrad) Do(g *Grads, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	d, dx := g.DOut.F32(), gradOf(g, 0).F32()
	for j := from; j < to; j++ {
		keep := -uint32(g.Aux[j/8] >> (j % 8) & 1)
		dx[j] += math.Float32frombits(math.Float32bits(d[j]*k.scale) & keep)
	}
}
