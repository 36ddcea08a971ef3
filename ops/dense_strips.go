package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// denseStrips is a dense layer of one row with large weights, which reads only those of inputs that are not zero.
type denseStrips struct {
	denseLayer
	narrow  kern.Narrow
	steps   []float32 // of NarrowI8
	weight  tensor.Tensor
	packed  []byte // weights in strips, then a byte for each part: not 0 where a weight is not finite
	cut     int    // columns of a task
	factors int
}

// stripBytes is the least weight, in bytes as float32, that goes in strips: a smaller one stays in a core's cache, and two batch
// sizes share it as panels.
const stripBytes = 1 << 20

// prepareStrips is the layer with its weights in strips, or nil.
func (l denseLayer) prepareStrips(p *Prep) Kernel {
	w := &p.Params[0]
	if l.rows > 1 || p.Training || !l.gemm.Strips() || w.Held() < stripBytes {
		return nil
	}
	k := &denseStrips{denseLayer: l, weight: *w, factors: kern.Factors(l.in)}
	if w.Scale() == nil {
		k.narrow, k.steps = p.narrow(l.gemm, w)
	}
	k.cut = kern.StripColumns
	for k.cut > 2*kern.StripStep && k.tasks() < 2*p.Threads {
		k.cut /= 2
	}
	p.NeedScratch(8 * (k.factors + 1))
	name := "strips/" + l.gemm.Name + k.narrow.String()
	k.packed = p.PackParts(w, "dense/"+name, k.size()+k.parts(), k.parts(), k.fill)
	p.Path(name)
	return k
}

// size is the bytes of the weights in strips.
//
//go:noinline
func (k *denseStrips) size() int { return k.narrow.Size() * kern.StripsSize(k.out, k.in) }

// A part of the packing is a panel of the product's width.
func (k *denseStrips) parts() int { return (k.out + k.gemm.NR - 1) / k.gemm.NR }

// fill is part i of the packed weights.
func (k *denseStrips) fill(dst []byte, i int, buf *packBuffer) {
	g := *k.gemm
	g.Half = 0
	n0 := i * g.NR
	n, strip := min(g.NR, k.out-n0), n0/kern.StripColumns*kern.StripColumns
	w := weightRows(&k.weight, n0, n0+n, buf)
	var steps kern.Steps
	for i := range kern.StepLanes { // a panel has StepLanes columns, or half as many twice
		steps.Set(i, 1)
		if c := n0 + i%g.NR; k.narrow == kern.NarrowI8 && c < k.out {
			steps.Set(i, k.steps[c])
		}
	}
	width, at := kern.StripWidth(k.out, n0), strip*k.in+n0-strip
	block := buf.floats(g.NR * packDepth)
	for d := 0; d < k.in; d += packDepth {
		block := block[:g.NR*min(packDepth, k.in-d)]
		g.Pack(block, w[d:], n, len(block)/g.NR, k.in)
		if sum := kern.SumF32(block); sum-sum != 0 {
			dst[k.size()+i] = 1
		}
		var narrow [32 * packDepth]uint16
		from := tensor.BytesOf(narrow[:])
		switch k.narrow {
		case kern.NarrowNone:
			from = tensor.BytesOf(block)
		case kern.NarrowI8:
			whole := roundUp(len(block), kern.StepLanes) // what lies behind is written, and not copied
			kern.PutSteps(tensor.CastSlice[int8](from)[:whole], block[:whole], &steps)
		default:
			k.narrow.Put(narrow[:len(block)], block)
		}
		to, size := dst[k.narrow.Size()*(at+d*width):], k.narrow.Size()*g.NR
		for from = from[:len(block)/g.NR*size]; len(from) > 0; from = from[size:] {
			copy(to, from[:size])
			to = to[min(len(to), k.narrow.Size()*width):]
		}
	}
}

// Run lists the inputs that count and computes the columns.
func (k *denseStrips) Run(a *Args) {
	all := false
	for _, b := range k.packed[k.size():] {
		all = all || b != 0 // zero times such a weight is no zero
	}
	list := tensor.CastSlice[uint64](a.Scratch)
	list[k.factors] = uint64(kern.FillFactors(list, f32(&a.In[0]), all))
	a.Parallel(k.tasks(), k)
}

func (k *denseStrips) tasks() int { return (k.out + k.cut - 1) / k.cut }

// Do computes some columns.
func (k *denseStrips) Do(a *Args, i, _ int) {
	args, list := k.args(a), tensor.CastSlice[uint64](a.Scratch)
	n0, n1 := i*k.cut, min(k.out, (i+1)*k.cut)
	k.gemm.RunStrips(&args, k.narrow, list, int(list[k.factors]), k.packed[:k.size()], k.steps, n0, n1)
	k.activate(args.C, 0, 1, n0, n1)
}
