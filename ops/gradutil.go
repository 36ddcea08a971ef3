package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// gradArg is operand i of a backward run: inputs first, then parameters.
func gradArg(g *Grads, i int) *tensor.Tensor {
	if i < len(g.In) {
		return &g.In[i]
	}
	return &g.Params[i-len(g.In)]
}

// gradOf is the gradient of operand i, or the zero Tensor when nobody wants it.
func gradOf(g *Grads, i int) tensor.Tensor {
	if i < len(g.DIn) {
		return g.DIn[i]
	}
	if i -= len(g.DIn); i < len(g.DParams) {
		return g.DParams[i]
	}
	return tensor.Tensor{}
}

// checkGradAct refuses fused activations whose gradient the result does not
// tell.
func checkGradAct(k Kind, act Act) error {
	if _, _, ok := act.Clamp(); !ok {
		return errf(k, "the gradient of activation %d needs it as a node of its own", act.Fn)
	}
	return nil
}

// actGrad turns the gradient of a result into that before its fused clamp, in
// place: it passes where the clamp did not cut.
type actGrad struct {
	lo, hi float32
	n      int
	on     bool
}

func newActGrad(act Act, n int) actGrad {
	lo, hi, _ := act.Clamp()
	return actGrad{lo, hi, n, act.Fn != UnaryNone}
}

func (k *actGrad) Run(g *Grads) {
	if k.on {
		g.Parallel((k.n+chunkElems-1)/chunkElems, k)
	}
}

func (k *actGrad) Do(g *Grads, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	kern.MaskF32(g.DOut.F32()[from:to], g.Out.F32()[from:to], k.lo, k.hi)
}

// keepForAct is KeepOut for operators whose only need of the result is a fused
// activation.
func keepForAct(act Act) Keep {
	if act.Fn == UnaryNone {
		return KeepNone
	}
	return KeepOut
}

// addTask adds DOut to a gradient of the same shape, a*DOut in general.
type addTask struct {
	operand, n int
	factor     float32
	sets       bool // the gradient is set, not added to
	shares     bool // and lies where DOut does
}

func (k *addTask) Run(g *Grads) {
	if !gradOf(g, k.operand).IsZero() && (!k.shares || k.factor != 1) {
		g.Parallel((k.n+chunkElems-1)/chunkElems, k)
	}
}

func (k *addTask) Do(g *Grads, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	dx, d := gradOf(g, k.operand).F32()[from:to], g.DOut.F32()[from:to]
	switch {
	case !k.sets:
		kern.AxpyF32(dx, d, k.factor, 1)
	case k.factor == 1:
		copy(dx, d)
	default:
		kern.BinaryScalarF32(kern.Mul, dx, d, k.factor, negInf, posInf)
	}
}
