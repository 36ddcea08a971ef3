package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// LRN is local response normalisation across channels, the last dimension:
//
//	y[c] = x[c] / (Bias + Alpha/Size * sum over c' of x[c']²) ^ Beta
//
// with c' from c - (Size-1)/2 to c + Size/2, inside the channels. One operand,
// f32. (TFLite's operator does not divide Alpha by Size: its importer
// multiplies.)
type LRN struct {
	Size              int
	Alpha, Beta, Bias float32
}

// Kind is KindLRN.
func (*LRN) Kind() Kind { return KindLRN }

// Fields lists the attributes.
func (o *LRN) Fields(f Fields) {
	f.Int("size", &o.Size)
	f.Float("alpha", &o.Alpha)
	f.Float("beta", &o.Beta)
	f.Float("bias", &o.Bias)
}

// Infer is the operand's spec.
func (o *LRN) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindLRN, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o.Size < 1 {
		return tensor.Spec{}, errf(KindLRN, "size %d", o.Size)
	}
	if s[0].Shape.Rank() < 1 {
		return tensor.Spec{}, notShape(KindLRN, "input", "rank 1 or more", s[0].Shape.String())
	}
	return s[0], wantF32(KindLRN, "input", &s[0])
}

// Prepare has one path, parallel over pixels.
func (o *LRN) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	k := newLRNKernel(o, x.Shape)
	k.params = p.Params
	if !p.Reference && k.c >= 8 && o.Size <= 32 && k.beta == 0.75 {
		return k.prepareRows(p), nil
	}
	p.Path("reference")
	return k, nil
}

type lrnKernel struct {
	params            []tensor.Tensor
	rows, c           int
	before, after     int // channels of the window on either side
	alpha, beta, bias float64
	chunk             int
}

func newLRNKernel(o *LRN, s tensor.Shape) *lrnKernel {
	return &lrnKernel{
		rows: s.Rows(), c: s.Channels(), before: (o.Size - 1) / 2, after: o.Size / 2,
		alpha: float64(o.Alpha) / float64(o.Size), beta: float64(o.Beta), bias: float64(o.Bias),
		chunk: max(1, chunkElems/4/max(1, s.Channels())),
	}
}

func (k *lrnKernel) tasks() int { return (k.rows + k.chunk - 1) / k.chunk }

// base is what is raised to the power: bias + alpha/size * sum of squares.
func (k *lrnKernel) base(x []float32, c int) float64 {
	sum := 0.0
	for _, v := range x[max(0, c-k.before):min(k.c, c+k.after+1)] {
		sum += float64(v) * float64(v)
	}
	return k.bias + k.alpha*sum
}

// power is s to the -beta; 3/4, which all networks use, by square roots.
func (k *lrnKernel) power(s float64) float64 {
	if k.beta == 0.75 {
		r := math.Sqrt(s)
		return 1 / (r * math.Sqrt(r))
	}
	return math.Pow(s, -k.beta)
}

func (k *lrnKernel) Run(a *Args) { a.Parallel(k.tasks(), k) }

func (k *lrnKernel) Do(a *Args, i, _ int) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	for r := i * k.chunk; r < min(k.rows, (i+1)*k.chunk); r++ {
		row, out := x[r*k.c:(r+1)*k.c], y[r*k.c:(r+1)*k.c]
		for c, v := range row {
			out[c] = float32(float64(v) * k.power(k.base(row, c)))
		}
	}
}

// Keeps is the operand.
func (*LRN) Keeps(in, params []tensor.Spec) Keep { return KeepIn0 }

// Backward prepares, with s[c] the base of the power,
//
//	dx[c] += dy[c] * s[c]^-Beta - 2*Alpha/Size*Beta * x[c] * sum over c' that see c of dy[c'] * x[c'] * s[c']^(-Beta-1)
func (o *LRN) Backward(p *GradPrep) (GradKernel, error) {
	k := newLRNKernel(o, operands(p.In, Specs(p.Params))[0].Shape)
	p.NeedScratch(8 * k.c * max(1, p.Threads))
	return &lrnGrad{k}, nil
}

type lrnGrad struct{ k *lrnKernel }

func (t *lrnGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(t.k.tasks(), t)
	}
}

func (t *lrnGrad) Do(g *Grads, i, worker int) {
	k := t.k
	x, d, dx := gradArg(g, 0).F32(), g.DOut.F32(), gradOf(g, 0).F32()
	cross := tensor.CastSlice[float64](g.Scratch)[worker*k.c:][:k.c]
	for r := i * k.chunk; r < min(k.rows, (i+1)*k.chunk); r++ {
		row, dr, out := x[r*k.c:(r+1)*k.c], d[r*k.c:(r+1)*k.c], dx[r*k.c:(r+1)*k.c]
		for c, v := range row {
			s := k.base(row, c)
			p := float64(dr[c]) * k.power(s)
			out[c] += float32(p)
			cross[c] = p * float64(v) / s
		}
		for c, v := range row {
			sum := 0.0
			for _, u := range cross[max(0, c-k.after):min(k.c, c+k.before+1)] {
				sum += u
			}
			out[c] -= float32(2 * k.alpha * k.beta * float64(v) * sum)
		}
	}
}
