package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// denseGemm is a dense layer as one packed product.
type denseGemm struct {
	denseLayer
	pack   densePack
	packed []float32
	cut    gemmCut
}

// denseLayer is what the packed forms share.
type denseLayer struct {
	denseSpec
	gemm     *kern.GemmF32
	biases   []float32
	lo, hi   float32
	act      *Act // an activation that is no clamp, applied to stored rows
	residual bool
	pitch    int
}

func (d *Dense) layer(p *Prep, s denseSpec) denseLayer {
	k := denseLayer{denseSpec: s, gemm: kern.SelectGemmF32(), residual: d.Residual, pitch: outPitch(p.OutPitch, s.out)}
	if s.bias {
		k.biases = f32(&p.Params[1])
	}
	k.lo, k.hi, k.act = d.Act.limits()
	return k
}

// args is the product, without its weights.
func (k *denseLayer) args(a *Args) kern.GemmF32Args {
	args := kern.GemmF32Args{
		A: f32(&a.In[0]), LDA: k.in, Taps: 1, KC: k.in, N: k.out, Bias: k.biases,
		C: f32(&a.Out), LDC: k.pitch, Min: k.lo, Max: k.hi,
	}
	if k.residual {
		args.Res, args.LDR = f32(&a.In[1]), k.out
	}
	return args
}

// activate applies the activation that is no clamp to what was stored.
func (k *denseLayer) activate(y []float32, m0, m1, n0, n1 int) {
	if k.act == nil {
		return
	}
	for m := m0; m < m1; m++ {
		row := y[m*k.pitch+n0 : m*k.pitch+n1]
		unaryRow(k.act.Fn, k.act.A, k.act.B, row, row)
	}
}

func (d *Dense) prepareGemm(p *Prep, s denseSpec) Kernel {
	layer := d.layer(p, s)
	if k := layer.prepareStrips(p); k != nil {
		return k
	}
	if k := layer.prepareLive(p); k != nil {
		return k
	}
	k := &denseGemm{denseLayer: layer}
	k.pack = densePack{k, p.Params[0]}
	k.cut = cutGemm(k.gemm, s.rows, s.out, s.in, 1, p.Threads)
	name := "gemm/" + k.gemm.Name
	packed := p.PackParts(&k.pack.weight, "dense/"+name, 4*k.gemm.PackedSize(s.out, s.in), k.pack.panels(), k.pack.fill)
	k.packed = tensor.CastSlice[float32](packed)
	p.Path(name)
	return k
}

// gemmCut is how a product is cut into tasks.
type gemmCut struct {
	rows, cols           int // of one task
	rowChunks, colChunks int
}

// cutGemm cuts along rows while the weights fit the cache and there are rows
// to cut, else along columns. Where the cuts are does not change a bit of the
// result. products is how many of the kind run side by side.
func cutGemm(g *kern.GemmF32, m, n, k, products, threads int) gemmCut {
	tiles, panels := (m+g.MR-1)/g.MR, (n+g.NR-1)/g.NR
	c := gemmCut{rows: tiles, cols: panels}
	want := 1
	if threads > 1 && products < 4*threads {
		want = parts(m*n*k, taskMACs, threads)
		if want == 1 && 4*n*k > cacheBytes {
			want = threads // few rows, but a lot of weights to read
		}
	}
	if (4*n*k > cacheBytes && panels >= want) || tiles < want {
		c.cols = (panels + want - 1) / want
	} else {
		c.rows = (tiles + want - 1) / want
	}
	c.rows *= g.MR
	c.cols *= g.NR
	c.rowChunks = (m + c.rows - 1) / c.rows
	c.colChunks = (n + c.cols - 1) / c.cols
	return c
}

// task is the rows and columns of task i of an m by n product.
func (c *gemmCut) task(i, m, n int) (m0, m1, n0, n1 int) {
	col, row := i%c.colChunks, i/c.colChunks
	m0, n0 = row*c.rows, col*c.cols
	return m0, min(m, m0+c.rows), n0, min(n, n0+c.cols)
}

func (c *gemmCut) tasks() int { return c.rowChunks * c.colChunks }

// Repack packs changed weights again.
func (k *denseGemm) Repack(a *Args) { a.Parallel(k.pack.panels(), &k.pack) }

// densePack packs the weights panel by panel.
type densePack struct {
	k      *denseGemm
	weight tensor.Tensor
}

func (t *densePack) panels() int { return (t.k.out + t.k.gemm.NR - 1) / t.k.gemm.NR }

func (t *densePack) Do(_ *Args, i, _ int) { t.panel(t.k.packed, i, nil) }

// fill is part i of the packed weights.
func (t *densePack) fill(dst []byte, i int, buf *packBuffer) {
	t.panel(tensor.CastSlice[float32](dst), i, buf)
}

// packDepth is the rows of a panel that are written at once: they stay in the
// first-level cache while its columns are filled.
const packDepth = 128

func (t *densePack) panel(dst []float32, i int, buf *packBuffer) {
	g, in := t.k.gemm, t.k.in
	n0 := i * g.NR
	n := min(g.NR, t.k.out-n0)
	packPanel(g, dst[n0*in:], weightRows(&t.weight, n0, n0+n, buf), n, in, in)
}

func (k *denseGemm) Run(a *Args) { a.Parallel(k.cut.tasks(), k) }

// Do computes some rows and columns.
func (k *denseGemm) Do(a *Args, i, _ int) {
	m0, m1, n0, n1 := k.cut.task(i, k.rows, k.out)
	args := k.args(a)
	args.B = k.packed
	rows, cols := k.actBlock(m1-m0, n1-n0)
	for n := n0; n < n1; n += cols {
		for m := m0; m < m1; m += rows {
			mEnd, nEnd := min(m1, m+rows), min(n1, n+cols)
			k.gemm.Run(&args, m, mEnd, n, nEnd)
			k.activate(args.C, m, mEnd, n, nEnd)
		}
	}
}

// actBlock is how much of m by n results is computed before an activation goes
// over them, so that it finds them in the cache: some rows where the weights
// stay there beside, else some columns.
func (k *denseGemm) actBlock(m, n int) (rows, cols int) {
	if k.act == nil || 4*m*n <= cacheBytes {
		return m, n
	}
	if 4*n*k.in <= cacheBytes {
		return max(1, cacheBytes/(8*n*k.gemm.MR)) * k.gemm.MR, n
	}
	return m, max(1, cacheBytes/(4*m*k.gemm.NR)) * k.gemm.NR
}
