package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Integer dense layer (see qmath.go for the rounding):
//
//	acc = bias[o] + sum (x - zx) * (w - zw[o])        int32
//	y   = requantize(acc, sx*sw[o]/sy)

// inferInt is what Infer checks beside shapes for an 8-bit input.
func (d *Dense) inferInt(in, params []tensor.Spec, out tensor.Spec) error {
	if d.Residual {
		return errf(KindDense, "an integer layer has no residual: the sum is rounded on its own")
	}
	o := operands(in, params)
	var bias *tensor.Spec
	if len(o) == 3 {
		bias = &o[2]
	}
	return checkProducts(KindDense, &o[0], &o[1], &out, bias, d.Act)
}

// prepareInt is Prepare for an 8-bit input.
func (d *Dense) prepareInt(p *Prep) (Kernel, error) {
	if err := d.inferInt(p.In, Specs(p.Params), p.Out); err != nil {
		return nil, err
	}
	x, _ := p.Operand(0)
	w, _ := p.Operand(1)
	rq, err := newRequant(KindDense, x, w, &p.Out, d.Act)
	if err != nil {
		return nil, err
	}
	if rows, depth := x.Shape.Rows(), x.Shape.Channels(); !p.Reference && len(p.Params) > 0 && rows > 0 && depth > 0 && w.Shape.Dim(0) > 0 {
		return d.prepareGemmInt(p, x, rq, rows, depth), nil
	}
	s := denseSpec{rows: x.Shape.Rows(), in: x.Shape.Channels(), out: w.Shape.Dim(0)}
	return newProduct(p, s.terms(), 1).quantised(p, rq), nil
}

// denseGemmInt is an integer dense layer as one packed product.
type denseGemmInt struct {
	gemm      *kern.GemmI8
	args      kern.GemmI8Args // but for A and C
	rows, out int
	chunk     int // columns of a task, whole panels
	stripped  bool
	wideBytes int // a worker's widened rows
}

func (d *Dense) prepareGemmInt(p *Prep, x *tensor.Spec, rq requant, rows, depth int) *denseGemmInt {
	w := p.Params[0]
	k := &denseGemmInt{gemm: kern.SelectGemmI8(), rows: rows, out: w.Shape.Dim(0)}
	signed := w.DType == tensor.I8
	var bias []int32
	if len(p.Params) > 1 {
		bias = i32(&p.Params[1])
	}
	k.args = kern.GemmI8Args{
		ASigned: x.DType == tensor.I8, LDA: depth, Taps: 1, KC: depth, N: k.out,
		LDC: outPitch(p.OutPitch, k.out), CZero: rq.zero, Lo: rq.lo, Hi: rq.hi,
	}
	_, zx := x.Quant.At(0)
	k.args.Cols = k.gemm.Columns(w.Data, k.out, 1, depth, depth, signed, w.Quant.Zero, bias, rq.scale, zx, k.args.ASigned)
	if k.strips(p, x) {
		return k
	}
	k.args.B = p.Pack(&w, "dense/"+k.gemm.Name, k.gemm.PackedSize(k.out, 1, depth), func(dst []byte) {
		k.gemm.Pack(dst, w.Data, k.out, 1, depth, depth, signed, w.Quant.Zero)
	})
	panels := (k.out + k.gemm.NR - 1) / k.gemm.NR
	tasks := min(panels, parts(rows*k.out*depth, taskMACsInt(), max(1, p.Threads)))
	k.chunk = (panels + tasks - 1) / tasks * k.gemm.NR
	k.wideBytes = roundUp(k.gemm.WideSize(rows, 1, depth), 64)
	p.NeedScratch(k.wideBytes * max(1, p.Threads))
	p.Path("gemm/" + k.gemm.Name)
	return k
}

func (k *denseGemmInt) chunks() int { return (k.out + k.chunk - 1) / k.chunk }

func (k *denseGemmInt) Run(a *Args) {
	if k.stripped {
		kern.FillFactorsI8(a.Scratch, a.In[0].Data, k.args.ASigned)
	}
	a.Parallel(k.chunks(), k)
}

// Do computes some columns.
func (k *denseGemmInt) Do(a *Args, i, worker int) {
	args, x, n0, n1 := k.args, a.In[0].Data, i*k.chunk, min(k.out, (i+1)*k.chunk)
	args.C = a.Out.Data
	if k.stripped {
		k.gemm.RunStrips(&args, a.Scratch, len(x), n0, n1)
		return
	}
	args.A, args.Wide = x, a.Scratch[worker*k.wideBytes:][:k.wideBytes]
	k.gemm.Run(&args, 0, k.rows, n0, n1)
}
