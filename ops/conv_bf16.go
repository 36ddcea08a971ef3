package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convBF16 is convGemm with input and weights rounded to bfloat16 and sums in
// float32, twice the products an instruction: for callers that allow it, on
// processors where that is faster. The input is rounded once, into scratch.
// Where it is not, nothing is rounded: the layer is one of float32.
type convBF16 struct {
	*convGemm
	half  *kern.GemmBF16
	w     []uint16
	size  int // of one group's packed weights
	input int // elements of the rounded input
	chunk int
	round convRound
}

// bf16Suits reports that a convolution may and can be of bfloat16 products.
func bf16Suits(p *Prep, s *convSpec) bool {
	half, f32 := kern.SelectGemmBF16(), kern.SelectGemmF32()
	return p.Precision == PrecisionBF16 && !p.Training && half != nil && kern.BF16Pays() && s.icg%2 == 0 && f32.MR == half.MR && f32.NR == half.NR
}

// HalfProducts prepares convolutions of bfloat16 products; nil where float32 is
// the way. A program that never asks for them does not hold them.
type HalfProducts func(c *Conv, p *Prep, s *convSpec) Kernel

// BF16Products are the HalfProducts of the processor.
func BF16Products(c *Conv, p *Prep, s *convSpec) Kernel {
	if k := c.prepareBF16(p, s); k != nil {
		return k
	}
	return nil
}

// prepareBF16 is nil where float32 is the way.
func (c *Conv) prepareBF16(p *Prep, s *convSpec) *convBF16 {
	if !bf16Suits(p, s) {
		return nil
	}
	half := kern.SelectGemmBF16()
	g := c.newConvGemm(p, s, kern.SelectGemmF32())
	if g.padded {
		return nil
	}
	k := &convBF16{convGemm: g, half: half, input: s.n * s.InSize() * s.ic}
	k.size = half.PackedSize(s.ocg, g.taps, g.kc)
	packed := p.PackParts(&g.weight, "conv/"+half.Name, 2*k.size*s.groups, g.packParts(), func(dst []byte, part int, buf *packBuffer) {
		i, n0, n := g.columns(part)
		w := weightRows(&g.weight, i*s.ocg+n0, i*s.ocg+n0+n, buf)
		to := i*k.size + half.PackedSize(n0, g.taps, g.kc)
		half.Pack(tensor.CastSlice[uint16](dst)[to:], w, n, g.taps, g.kc, g.taps*g.kc)
	})
	k.w = tensor.CastSlice[uint16](packed)
	g.split(max(1, p.Threads), p.ScratchBudget, p.Choice.Cut)
	k.chunk = max(1, min(k.input, 1<<16))
	p.NeedScratch(4*g.tableInts*max(1, p.Threads) + roundUp(2*k.input, 64))
	p.Path("igemm/" + half.Name + p.Choice.suffix(0))
	k.round.k = k
	return k
}

// rounded is the input in bfloat16; it follows the workers' tables.
func (k *convBF16) rounded(a *Args) []uint16 {
	s := a.Scratch[len(a.Scratch)-roundUp(2*k.input, 64):]
	return tensor.CastSlice[uint16](s)[:k.input]
}

// convRound rounds part of the input.
type convRound struct{ k *convBF16 }

func (t *convRound) Do(a *Args, i, _ int) {
	from, to := i*t.k.chunk, min(t.k.input, (i+1)*t.k.chunk)
	kern.ToBF16(t.k.rounded(a)[from:to], f32(&a.In[0])[from:to])
}

func (k *convBF16) Run(a *Args) {
	a.Parallel((k.input+k.chunk-1)/k.chunk, &k.round)
	a.Parallel(k.images*k.groups*k.rowChunks*k.colChunks, k)
}

// Do computes one task, as convGemm's does.
func (k *convBF16) Do(a *Args, i, worker int) {
	t := k.task(i)
	args := kern.GemmBF16Args{
		Taps: k.taps, KC: k.kc, N: k.ocg, B: k.w[t.group*k.size:][:k.size], Min: k.lo, Max: k.hi, LDC: k.pitch,
	}
	if k.bias != nil {
		args.Bias = k.bias[t.group*k.ocg:][:k.ocg]
	}
	x, out := k.rounded(a), f32(&a.Out)
	first := t.image*k.rows*k.pitch + t.group*k.ocg
	if k.direct {
		args.A, args.LDA, args.C = x[t.group*k.icg:], k.ic, out[first:]
		if k.residual {
			args.Res, args.LDR = f32(&a.In[1])[t.group*k.ocg:], k.oc
		}
		k.half.Run(&args, t.m0, t.m1, t.n0, t.n1)
	} else {
		table := tensor.CastSlice[int32](a.Scratch)[worker*k.tableInts : (worker+1)*k.tableInts]
		k.window.FillRows(table, k.half.MR, kern.Tiles{}, t.m0, t.m1)
		args.A, args.Rows = x[t.image*k.InSize()*k.ic+t.group*k.icg:], table
		args.C = out[first+t.m0*k.pitch:]
		if k.residual {
			args.Res, args.LDR = f32(&a.In[1])[(t.image*k.rows+t.m0)*k.oc+t.group*k.ocg:], k.oc
		}
		k.half.Run(&args, 0, t.m1-t.m0, t.n0, t.n1)
	}
	k.act.rows(out[first+t.m0*k.pitch+t.n0:], t.m1-t.m0, t.n1-t.n0, k.pitch)
}
