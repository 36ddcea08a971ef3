package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
)

// product is the plain path of every operator that multiplies weights: Conv, Dense
// and MatMul and, with scales and zero points from their operands, QLinearConv,
// QLinearMatMul, ConvInteger and MatMulInteger. It is the definition of all of
// them, one result after the other:
//
//	y[r, c] = act( alpha * (sum of x*w over the terms + bias[c] + residual[r, c]) )    float32, summed in float64
//	y[r, c] = sum of (x-zx)*(w-zw) over the terms + bias[c]                            int32, requantised to 8 bits
type product struct {
	terms
	params []tensor.Tensor
	at     [productRoles]int           // the operand in each role, -1 where there is none
	fixed  [productRoles]tensor.Tensor // what stands in its place
	pitch  int
	act    Act
	alpha  float32
	lo, hi int32
}

// The roles of a product's operands.
const (
	productX = iota
	productXScale
	productXZero
	productW
	productWScale
	productWZero
	productYScale
	productYZero
	productBias
	productResidual
	productRoles
)

// terms says what is summed for each result: stretches of depth elements of x and
// w, xstep and wstep apart. Those of a row are listed for column 0; a column's
// start wcol further in w for each column, and xgroup further in x for each group.
type terms struct {
	conv         *convSpec   // what lists them,
	matrix       *matMulSpec // one of the two
	longest      int         // list, in stretches
	rows, cols   int
	period       int // rows with scales and zero points of their own
	depth        int
	xstep, wstep int
	wcol         int
	group        int // columns
	xgroup       int
}

// newProduct is a product of x and w, operands 0 and w, with what follows w as
// the bias.
func newProduct(p *Prep, t terms, w int) *product {
	k := &product{terms: t, params: slices.Clone(p.Params), pitch: outPitch(p.OutPitch, t.cols), alpha: 1}
	for i, t := range k.params {
		if t.Scale() != nil || t.Source() != nil { // or each run would multiply by it
			k.params[i] = t.Clone()
		}
	}
	for i := range k.at {
		k.at[i] = -1
	}
	k.at[productX], k.at[productW], k.at[productBias] = 0, w, w+1
	p.NeedScratch(16 * t.longest)
	p.Path("reference")
	return k
}

// newWeighted is a product with what Conv and Dense add to it.
func newWeighted(p *Prep, t terms, act Act, residual bool) *product {
	w := 1
	if residual {
		w = 2
	}
	k := newProduct(p, t, w)
	k.act = act
	if residual {
		k.at[productResidual] = 1
	}
	return k
}

// quantised makes it a product of integers whose scales and zero points the
// specs say.
func (k *product) quantised(p *Prep, rq requant) *product {
	x, _ := p.Operand(k.at[productX])
	w, _ := p.Operand(k.at[productW])
	for i, s := range [...]*tensor.Spec{x, w, &p.Out} {
		q, role := &s.Quant, [...]int{productXScale, productWScale, productYScale}[i]
		k.fixed[role] = tensor.FromF32(q.Scale, len(q.Scale))
		if q.Zero != nil {
			k.fixed[role+1] = tensor.FromI32(q.Zero, len(q.Zero))
		}
	}
	k.lo, k.hi = rq.lo, rq.hi
	p.Path("reference/int")
	return k
}

// qlinear has scales and zero points as operands: x, x's, w, w's, y's, then the bias.
func (k *product) qlinear(p *Prep) *product {
	for i := range productResidual {
		k.at[i] = i
	}
	lo, hi := tensor.IntRange(p.Out.DType)
	k.lo, k.hi = int32(lo), int32(hi)
	return k
}

// integer has zero points as operands: x, w, x's, w's.
func (k *product) integer() *product {
	k.at[productBias], k.at[productXZero], k.at[productWZero] = -1, 2, 3
	return k
}

// operand is the tensor in a role, the zero Tensor where there is none.
func (k *product) operand(a *Args, role int) *tensor.Tensor {
	if i := k.at[role]; i >= 0 {
		if t := optional(a, k.params, i); t != nil {
			return t
		}
	}
	return &k.fixed[role]
}

func (k *product) floats(a *Args, role int) []float32 {
	return tensor.CastSlice[float32](k.operand(a, role).Data)
}

// zero is the zero point in a role, of row or column c.
func (k *product) zero(a *Args, role, c int) int32 { return zeroAt(k.operand(a, role), c) }

// scale is the factor from the sum of a row and column to units of the result.
func (k *product) scale(a *Args, row, col int) float32 {
	f := [3]float32{}
	for i, c := range [...]int{row, col, 0} {
		v := k.floats(a, [...]int{productXScale, productWScale, productYScale}[i])
		f[i] = v[min(c, len(v)-1)]
	}
	return requantScale(f[0], f[1], f[2])
}

func (k *product) Run(a *Args) {
	list := tensor.CastSlice[int64](a.Scratch)
	for row := range k.rows {
		if list = list[:0]; k.conv != nil {
			list = k.conv.stretches(row, list)
		} else {
			list = k.matrix.stretches(row, list)
		}
		for col := range k.cols {
			if a.Out.DType == tensor.F32 {
				k.float(a, row, col, list)
			} else {
				k.int(a, row, col, list)
			}
		}
	}
}

// float computes one result from the list of a row's stretches.
func (k *product) float(a *Args, row, col int, list []int64) {
	x, w, sum := k.floats(a, productX), k.floats(a, productW), 0.0
	for i := 0; i < len(list); i += 2 {
		at, from := int(list[i])+col/k.group*k.xgroup, int(list[i+1])+col*k.wcol
		for range k.depth {
			sum += float64(x[at]) * float64(w[from])
			at += k.xstep
			from += k.wstep
		}
	}
	if bias := k.floats(a, productBias); bias != nil {
		sum += float64(bias[col])
	}
	if res := k.floats(a, productResidual); res != nil {
		sum += float64(res[row*k.cols+col])
	}
	f32(&a.Out)[row*k.pitch+col] = k.act.apply(float32(float64(k.alpha) * sum))
}

// int computes one result from the list of a row's stretches.
func (k *product) int(a *Args, row, col int, list []int64) {
	x, w, part := k.operand(a, productX), k.operand(a, productW), row%k.period
	fx, fw := unsignedFlip(x.DType), unsignedFlip(w.DType)
	zx, zw := k.zero(a, productXZero, part)+int32(fx), k.zero(a, productWZero, col)+int32(fw)
	var sum int32
	for i := 0; i < len(list); i += 2 {
		at, from := int(list[i])+col/k.group*k.xgroup, int(list[i+1])+col*k.wcol
		for range k.depth {
			sum += (int32(x.Data[at]^fx) - zx) * (int32(w.Data[from]^fw) - zw)
			at += k.xstep
			from += k.wstep
		}
	}
	if bias := tensor.CastSlice[int32](k.operand(a, productBias).Data); bias != nil {
		sum += bias[col]
	}
	if to := row*k.pitch + col; a.Out.DType == tensor.I32 {
		i32(&a.Out)[to] = sum
	} else {
		a.Out.Data[to] = byte(requantize(sum, k.scale(a, part, col), k.zero(a, productYZero, 0), k.lo, k.hi))
	}
}

// unsignedFlip turns the bytes of an 8-bit type into numbers from 0 to 255, which are
// as much larger than what they stand for: 128 for int8.
func unsignedFlip(d tensor.DType) byte {
	if d == tensor.I8 {
		return 128
	}
	return 0
}

// terms is a convolution's: a stretch for each tap inside x.
func (s *convSpec) terms() terms {
	return terms{
		conv: s, longest: s.Taps(), rows: s.n * s.OutSize(), cols: s.oc, period: 1, depth: s.icg, xstep: 1, wstep: 1,
		wcol: s.Taps() * s.icg, group: s.ocg, xgroup: s.icg,
	}
}

// stretches appends where the stretches of a row start, in x and in w by turns.
func (s *convSpec) stretches(row int, to []int64) []int64 {
	image, o := row/s.OutSize()*s.InSize(), s.outAt(row%s.OutSize())
	for t := range s.Taps() {
		if pos, ok := s.inAt(o, t); ok {
			to = append(to, int64((image+pos)*s.ic), int64(t*s.icg))
		}
	}
	return to
}

// terms is a matrix product's: one stretch for each row.
//
//go:noinline
func (s *matMulSpec) terms() terms {
	_, ak, bk, bn := s.strides()
	return terms{matrix: s, longest: 1, rows: s.batches * s.m, cols: s.n, period: s.m, depth: s.k, xstep: ak, wstep: bk, wcol: bn, group: max(1, s.n)}
}

func (s *matMulSpec) stretches(row int, to []int64) []int64 {
	am, _, _, _ := s.strides()
	batch := row / s.m
	return append(to, int64(s.place(0, batch)*s.m*s.k+row%s.m*am), int64(s.place(1, batch)*s.k*s.n))
}

// terms is a dense layer's, those of a product with the transposed weights.
func (s *denseSpec) terms() terms {
	one := tensor.Shape{}
	m := matMulSpec{m: s.rows, n: s.out, k: s.in, transB: true, batch: newBcast(one, one, one), batches: 1}
	return m.terms()
}
