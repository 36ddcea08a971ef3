package train

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
)

// Optimizer is SGD, AdamW or Adagrad.
type Optimizer interface {
	check() error
	// slots is the number of float32 of state a parameter element takes.
	slots() int
	// update changes w by gradient g. state holds slots slices.
	update(u update, w, g []float32, state [2][]float32)
}

// update is what the elements of a parameter have in common in one update.
type update struct {
	rate  float32
	scale float32 // of gradients: clipping and the mean over accumulated steps
	n     int     // updates done before this one
	decay bool    // weight decay is for this parameter
}

// of is u for a parameter.
func (u update) of(p *param) update {
	u.rate *= p.rate
	u.decay = p.decay
	return u
}

// SGD is stochastic gradient descent with momentum, in the form PyTorch uses:
//
//	g += WeightDecay * w        (L2; with Decoupled instead w -= rate * WeightDecay * w)
//	v  = Momentum * v + g       (v = g at the first update)
//	w -= rate * v               (with Nesterov rate * (g + Momentum * v))
type SGD struct {
	Momentum    float32
	Nesterov    bool
	WeightDecay float32
	Decoupled   bool
	// DecayAll decays biases and norms as well, whatever Config.Decays says.
	DecayAll bool
}

func (o SGD) check() error {
	if !(o.Momentum >= 0 && o.Momentum < 1 && o.WeightDecay >= 0) {
		return fmt.Errorf("train: SGD: momentum %v, weight decay %v", o.Momentum, o.WeightDecay)
	}
	if o.Nesterov && o.Momentum == 0 {
		return fmt.Errorf("train: SGD: Nesterov needs momentum")
	}
	return nil
}

func (o SGD) slots() int {
	if o.Momentum == 0 {
		return 0
	}
	return 1
}

func (o SGD) update(u update, w, g []float32, state [2][]float32) {
	l2, shrink := float32(0), float32(1)
	if u.decay || o.DecayAll {
		if o.Decoupled {
			shrink = 1 - u.rate*o.WeightDecay
		} else {
			l2 = o.WeightDecay
		}
	}
	if o.Momentum == 0 {
		for i := range w {
			w[i] = shrink*w[i] - u.rate*(u.scale*g[i]+l2*w[i])
		}
		return
	}
	v, m := state[0][:len(w)], o.Momentum
	g = g[:len(w)]
	if o.Nesterov {
		for i, x := range w {
			d := u.scale*g[i] + l2*x
			v[i] = m*v[i] + d
			w[i] = shrink*x - u.rate*(d+m*v[i])
		}
		return
	}
	(&ops.Momentum{Rate: u.rate, Momentum: m, Decay: l2, Scale: u.scale, Shrink: shrink}).Step(w, g, v)
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019). Zero
// fields are the usual 0.9, 0.999 and 1e-8. With Coupled the decay enters the
// gradient, as in plain Adam (Kingma and Ba 2015).
type AdamW struct {
	Beta1, Beta2, Eps float32
	WeightDecay       float32
	Coupled           bool
}

func (o AdamW) check() error {
	o = o.filled()
	if !(o.Beta1 >= 0 && o.Beta1 < 1 && o.Beta2 >= 0 && o.Beta2 < 1 && o.Eps > 0 && o.WeightDecay >= 0) {
		return fmt.Errorf("train: AdamW: %+v", o)
	}
	return nil
}

func (o AdamW) filled() AdamW {
	if o.Beta1 == 0 {
		o.Beta1 = 0.9
	}
	if o.Beta2 == 0 {
		o.Beta2 = 0.999
	}
	if o.Eps == 0 {
		o.Eps = 1e-8
	}
	return o
}

func (o AdamW) slots() int { return 2 }

func (o AdamW) update(u update, w, g []float32, state [2][]float32) {
	o = o.filled()
	m, v := state[0][:len(w)], state[1][:len(w)]
	t := float64(u.n + 1)
	c1 := float32(1 / (1 - math.Pow(float64(o.Beta1), t)))
	c2 := float32(1 / (1 - math.Pow(float64(o.Beta2), t)))
	l2, shrink := float32(0), float32(1)
	switch {
	case u.decay && o.Coupled:
		l2 = o.WeightDecay
	case u.decay:
		shrink = 1 - u.rate*o.WeightDecay
	}
	for i, x := range w {
		d := u.scale*g[i] + l2*x
		m[i] = o.Beta1*m[i] + (1-o.Beta1)*d
		v[i] = o.Beta2*v[i] + (1-o.Beta2)*d*d
		w[i] = shrink*x - u.rate*(c1*m[i])/(float32(math.Sqrt(float64(c2*v[i])))+o.Eps)
	}
}

// Adagrad divides each gradient by the root of the sum of its squares so far
// (Duchi et al. 2011). Eps 0 is the usual 1e-10.
//
//	g += WeightDecay * w
//	h += g²
//	w -= rate / (1 + updates*RateDecay) * g / (sqrt(h) + Eps)
type Adagrad struct {
	Eps, RateDecay float32
	WeightDecay    float32 // L2
}

func (o Adagrad) check() error {
	if !(o.Eps >= 0 && o.RateDecay >= 0 && o.WeightDecay >= 0) {
		return fmt.Errorf("train: Adagrad: %+v", o)
	}
	return nil
}

func (o Adagrad) slots() int { return 1 }

func (o Adagrad) filled() Adagrad {
	if o.Eps == 0 {
		o.Eps = 1e-10
	}
	return o
}

// rate is what a schedule's comes to after that many updates.
func (o Adagrad) rate(rate float32, updates int) float32 {
	return rate / (1 + float32(updates)*o.RateDecay)
}

func (o Adagrad) update(u update, w, g []float32, state [2][]float32) {
	o = o.filled()
	l2 := float32(0)
	if u.decay {
		l2 = o.WeightDecay
	}
	h, rate := state[0][:len(w)], o.rate(u.rate, u.n)
	for i, x := range w {
		d := u.scale*g[i] + l2*x
		h[i] += d * d
		w[i] = x - rate*d/(float32(math.Sqrt(float64(h[i])))+o.Eps)
	}
}
