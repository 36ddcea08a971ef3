package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// matMulGemmInt is packed products of bytes. Right sides are packed at the start of a run; a transposed left side is turned
// then.
type matMulGemmInt struct {
	matMulSpec
	params   []tensor.Tensor
	gemm     *kern.GemmI8
	args     kern.GemmI8Args // but for operands and results
	b        q8
	as, bs   int // matrices of the operands
	rows     int // of one product: several left sides with one right side are one
	products int
	chunk    int // rows of a task, whole tiles
	chunks   int
	turned   int // bytes of scratch for left sides that are turned
	size     int // bytes of scratch for a packed right side, biases before it
	biases   int
	wideAt   int // where workers' widened rows begin in scratch
	wide     int // bytes of one's
	turn     matMulTurnInt
	pack     matMulPackInt
}

func (o *MatMul) prepareGemmInt(p *Prep, s matMulSpec, a, b *tensor.Spec, rq requant) *matMulGemmInt {
	k := &matMulGemmInt{matMulSpec: s, params: p.Params, gemm: kern.SelectGemmI8(), b: newQ8(b)}
	k.as, k.bs = a.Shape.Elems()/(s.m*s.k), b.Shape.Elems()/(s.k*s.n)
	k.rows, k.products = s.m, s.batches
	if k.bs == 1 && k.as == s.batches && !s.transA {
		k.rows, k.products = s.m*s.batches, 1
	}
	k.args = kern.GemmI8Args{
		ASigned: a.DType == tensor.I8, LDA: s.k, Taps: 1, KC: s.k, N: s.n, LDC: s.n,
		Cols: k.gemm.AnyColumns(s.n, k.b.signed, k.b.zero, rq.scale[0]), CZero: rq.zero, Lo: rq.lo, Hi: rq.hi,
	}
	_, k.turn.zero = a.Quant.At(0)
	if s.transA {
		k.turned = roundUp(a.Shape.Elems(), 64)
	}
	k.biases = roundUp(4*k.gemm.BiasSize(s.n), 64)
	k.size = k.biases + roundUp(k.gemm.PackedSize(s.n, 1, s.k), 64)
	k.chunk = k.rows
	if p.Threads > 1 && k.products < 4*p.Threads {
		tasks := parts(k.rows*s.n*s.k, taskMACsInt(), p.Threads)
		k.chunk = roundUp((k.rows+tasks-1)/tasks, k.gemm.MR)
	}
	k.chunks = (k.rows + k.chunk - 1) / k.chunk
	k.turn.k, k.pack.k = k, k
	k.wideAt, k.wide = k.turned+k.bs*k.size, roundUp(k.gemm.WideSize(k.rows, 1, s.k), 64)
	p.NeedScratch(k.wideAt + k.wide*max(1, p.Threads))
	p.Path("gemm/" + k.gemm.Name)
	return k
}

func (k *matMulGemmInt) Run(a *Args) {
	if k.transA {
		a.Parallel(k.as, &k.turn)
	}
	a.Parallel(k.bs, &k.pack)
	a.Parallel(k.products*k.chunks, k)
}

// matMulTurnInt turns one transposed left side.
type matMulTurnInt struct {
	k    *matMulGemmInt
	zero int32 // of left sides
}

func (t *matMulTurnInt) Do(a *Args, i, _ int) {
	k := t.k
	src, dst := arg(a, k.params, 0).Data[i*k.m*k.k:], a.Scratch[i*k.m*k.k:]
	for d := range k.k {
		for m, v := range src[d*k.m : (d+1)*k.m] {
			dst[m*k.k+d] = v
		}
	}
}

// matMulPackInt packs one right side.
type matMulPackInt struct{ k *matMulGemmInt }

func (t *matMulPackInt) Do(a *Args, i, _ int) {
	k := t.k
	bias, packed := k.right(a, i)
	k.gemm.PackRight(packed, bias, arg(a, k.params, 1).Data[i*k.k*k.n:], k.n, k.k, k.transB, k.b.signed, k.b.zero, k.turn.zero, k.args.ASigned)
}

// right is the scratch of a right side.
func (k *matMulGemmInt) right(a *Args, i int) (bias []int32, packed []byte) {
	s := a.Scratch[k.turned+i*k.size:][:k.size]
	return tensor.CastSlice[int32](s[:4*k.gemm.BiasSize(k.n)]), s[k.biases:]
}

// Do computes some rows of one product.
func (k *matMulGemmInt) Do(a *Args, i, worker int) {
	product, m0 := i/k.chunks, i%k.chunks*k.chunk
	left := arg(a, k.params, 0).Data
	if k.transA {
		left = a.Scratch[:k.turned]
	}
	bias, packed := k.right(a, k.place(1, product))
	args := k.args
	args.Wide = a.Scratch[k.wideAt+worker*k.wide:][:k.wide]
	args.A, args.B, args.Bias = left[k.place(0, product)*k.m*k.k:], packed, bias
	args.C = a.Out.Data[product*k.rows*k.n:]
	k.gemm.Run(&args, m0, min(k.rows, m0+k.chunk), 0, k.n)
}
