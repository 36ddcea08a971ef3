package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// transposeTaps is a transposed convolution to few channels, as the last of a generator
// is: phases (see transposeFast) would leave most columns of a product empty. All taps
// of a row of the input are columns of one product, whose results are added to the
// places they fall on.
type transposeTaps struct {
	*transposeFast
	packed      []float32
	cols        int // taps * channels
	band, bands int // rows of the result of a task, tasks of an image
	floats      int // of a worker's scratch
}

// prepareTaps is nil where the products of f are no more work, or the form does not fit.
func (k *transposeFast) prepareTaps(p *Prep) Kernel {
	f := &transposeTaps{transposeFast: k, cols: k.Taps() * k.icg}
	phases := 0
	for i := range k.products {
		t := &k.products[i]
		phases += t.rows * t.taps * roundUp(t.cols, k.gemm.NR)
	}
	if k.groups != 1 || k.In[0] != 1 || k.Kernel[0] != 1 || phases < 2*k.OutSize()*roundUp(f.cols, k.gemm.NR) {
		return nil
	}
	tasks := parts(k.OutSize()*k.oc*f.cols, taskMACs, max(1, (p.Threads+k.n-1)/k.n))
	f.band = max(1, (k.In[1]+tasks-1)/tasks)
	f.bands = (k.In[1] + f.band - 1) / f.band
	f.floats = roundUp(k.Out[2]*f.cols, 16)
	p.NeedScratch(4 * f.floats * max(1, p.Threads))
	p.Path("transposed/taps/" + k.gemm.Name)
	w := k.params[0]
	packed := p.Pack(&w, "transposed/taps/"+k.gemm.Name, 4*k.gemm.PackedSize(f.cols, k.oc), func(dst []byte) { f.pack(tensor.CastSlice[float32](dst)) })
	f.packed = tensor.CastSlice[float32](packed)
	return f
}

func (k *transposeTaps) pack(dst []float32) {
	k.gemm.PackKN(dst, weightRows(&k.params[0], 0, k.oc, &k.buf), k.cols, k.oc, k.cols)
}

// Repack packs changed weights again.
func (k *transposeTaps) Repack(*Args) { k.pack(k.packed) }

func (k *transposeTaps) Run(a *Args) { a.Parallel(k.n*k.bands, k) }

// Do computes some rows of an image.
func (k *transposeTaps) Do(a *Args, i, worker int) {
	image, y0, width := i/k.bands, i%k.bands*k.band, k.In[2]*k.ic
	y1 := min(k.In[1], y0+k.band)
	x, y := argF32(a, k.params, 0)[image*k.OutSize()*k.oc:], f32(&a.Out)[image*k.InSize()*k.ic:][:y1*width]
	rows, room := y[y0*width:], tensor.CastSlice[float32](a.Scratch)[worker*k.floats:][:k.floats]
	clear(rows)
	if k.bias {
		for m := copy(rows, f32(&k.params[1])); m < len(rows); m *= 2 {
			copy(rows[m:], rows[:m])
		}
	}
	args := kern.GemmF32Args{Taps: 1, KC: k.oc, LDA: k.oc, N: k.cols, B: k.packed, C: room, LDC: k.cols, Min: negInf, Max: posInf}
	for iy := range k.Out[1] {
		top := iy*k.Stride[1] - k.PadLo[1]
		if top >= y1 || top+(k.Kernel[1]-1)*k.Dilation[1] < y0 {
			continue
		}
		args.A = x[iy*k.Out[2]*k.oc:]
		k.gemm.Run(&args, 0, k.Out[2], 0, k.cols)
		for ky := range k.Kernel[1] {
			if r := top + ky*k.Dilation[1]; r >= y0 && r < y1 {
				k.add(y[r*width:][:width], room[ky*k.Kernel[2]*k.ic:])
			}
		}
	}
	if k.lo > -math.MaxFloat32 || k.hi < math.MaxFloat32 {
		kern.ClampF32(rows, rows, k.lo, k.hi)
	}
	if k.late != nil {
		actRow(k.late, rows)
	}
}

// add adds the taps of one row of the kernel, products of a row of the input, to a row of
// the result.
func (k *transposeTaps) add(y, room []float32) {
	run, runs := k.Kernel[2]*k.ic, 1 // taps that are neighbours
	if k.Dilation[2] != 1 {
		run, runs = k.ic, k.Kernel[2]
	}
	for j := range runs {
		at := (j*k.Dilation[2] - k.PadLo[2]) * k.ic
		for ix := range k.Out[2] {
			p, from := room[ix*k.cols+j*run:][:run], at+ix*k.Stride[2]*k.ic
			if from < 0 {
				p, from = p[min(run, -from):], 0
			}
			to := y[min(from, len(y)):]
			for c, v := range p[:min(len(p), len(to))] {
				to[c] += v
			}
		}
	}
}
