package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Joining 8-bit tensors of different scales follows TFLite's own kernel, for
// XNNPACK joins equal scales only:
//
//	y = clamp(round(q*r - zx*r) + zy),   r = sx * (1/sy), halves away from 0
//
// prepareInt is Prepare for operands of which some have another quantisation
// than the result.
func (c *Concat) prepareInt(p *Prep) (Kernel, error) {
	o := operands(p.In, Specs(p.Params))
	if err := wantAffine(KindConcat, "output", &p.Out); err != nil {
		return nil, err
	}
	k := &concatInt{concatKernel: c.kernel(&p.Out, o, p.Params)}
	sy, zy := p.Out.Quant.At(0)
	lo, hi := tensor.IntRange(p.Out.DType)
	for _, s := range o {
		if err := wantAffine(KindConcat, "operand", &s); err != nil {
			return nil, err
		}
		if s.DType == p.Out.DType && s.Quant.Equal(p.Out.Quant) {
			k.tables = append(k.tables, newLUT(&s, func(q int32) int32 { return q }))
			continue
		}
		sx, zx := s.Quant.At(0)
		r := sx * (1 / sy)
		bias := float32(-float32(zx) * r)
		k.tables = append(k.tables, newLUT(&s, func(q int32) int32 {
			v := math.Round(float64(float32(float32(q)*r) + bias))
			return int32(min(max(v+float64(zy), float64(lo)), float64(hi)))
		}))
	}
	p.Path("table")
	return k, nil
}

type concatInt struct {
	*concatKernel
	tables []*lut // of each operand
}

func (k *concatInt) Run(a *Args) { a.Parallel(len(k.runs), k) }

// Do requantises operand i into its place.
func (k *concatInt) Do(a *Args, i, _ int) {
	at := 0
	for _, r := range k.runs[:i] {
		at += r
	}
	kern.Lookup(a.Out.Data[at:], arg(a, k.params, i).Data, &k.tables[i].table, k.outer, k.runs[i], k.pitch, k.runs[i])
}
