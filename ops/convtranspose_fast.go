package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// transposeFast is a transposed convolution as products. Along a dimension of
// stride s, results s apart see the kernel's taps in one way: they are an ordinary
// convolution of stride 1 by every s-th tap, turned round. Such phases of the
// result that look at the same inputs are one product with as many times the
// columns (all of them, where the kernel is as large as the stride). What a task
// computes lies in its worker's scratch and is copied to its places from there.
type transposeFast struct {
	*convSpec // of the convolution whose transpose this is: its input is our result
	gemm      *kern.GemmF32
	params    []tensor.Tensor
	act       Act
	lo, hi    float32
	late      *Act // an activation that is no clamp
	step      [MaxSpatial]int
	products  []transposeProduct
	table     int // entries of a worker's offset table
	room      int // floats of its scratch
	buf       packBuffer
}

// phases are residues of result coordinates along a dimension, by its step, whose
// results read the same inputs.
type phases struct {
	residues []int
	last     []int // the tap each reads its first input by
	taps     int
	low      int // the first input, from the place of the result over the step
	size     int // places of the smallest residue
}

// transposeProduct is all phases that look at the same inputs.
type transposeProduct struct {
	of                 [MaxSpatial]phases
	tapStep            [MaxSpatial]int // taps from one input to the next, backwards
	window             kern.Window
	taps, rows, cols   int  // columns of a group
	run                int  // phases that are neighbours in a row of the result
	direct             bool // rows of x are rows of the product
	packed, bias       []float32
	size               int // floats of packed a group takes
	rowChunk, colChunk int
	rowChunks, chunks  int // chunks: of one image and group
	first              int // task
}

// transposeRoom is the floats of results that wait to be copied: they stay in a
// second-level cache.
const transposeRoom = 64 << 10

// prepareFast is nil where the plain path has to do.
func (c *ConvTranspose) prepareFast(p *Prep, s *convSpec) Kernel {
	if len(p.Params) == 0 || s.ocg > kern.MaxTap || s.n*s.OutSize()*s.oc*s.ic == 0 {
		return nil
	}
	k := &transposeFast{convSpec: s, gemm: kern.SelectGemmF32For(s.icg), params: p.Params, act: c.Act}
	k.lo, k.hi, k.late = c.Act.limits()
	var all [MaxSpatial][]phases
	var tapStep, inStep [MaxSpatial]int
	for i := range all {
		k.step[i] = s.Stride[i]
		if s.Out[i] == 1 { // no two inputs meet: each tap is a phase
			k.step[i] = max(k.step[i], (s.Kernel[i]-1)*s.Dilation[i]+1)
		}
		d := gcd(k.step[i], s.Dilation[i])
		tapStep[i], inStep[i] = k.step[i]/d, s.Dilation[i]/d
		all[i] = k.phases(i, tapStep[i])
	}
	tasks := 0
	for _, z := range all[0] {
		for _, y := range all[1] {
			for _, x := range all[2] {
				t := transposeProduct{of: [MaxSpatial]phases{z, y, x}, tapStep: tapStep, first: tasks}
				t.window = kern.Window{In: s.Out, Stride: [3]int{1, 1, 1}, Dilation: inStep, Pixel: s.oc}
				tasks += k.lay(p, &t)
				k.products = append(k.products, t)
			}
		}
	}
	if f := k.prepareTaps(p); f != nil {
		return f
	}
	for i := range k.products {
		k.pack(p, &k.products[i])
	}
	k.table = roundUp(k.table, 16)
	p.NeedScratch(4 * (k.table + k.room) * max(1, p.Threads))
	p.Path("transposed/" + k.gemm.Name)
	return k
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// phases lists those of dimension i.
func (k *transposeFast) phases(i, tapStep int) (all []phases) {
	step, dil := k.step[i], k.Dilation[i]
	for r := range min(step, k.In[i]) {
		f := phases{size: (k.In[i] - r + step - 1) / step}
		last := -1
		for t := range k.Kernel[i] {
			if (r+k.PadLo[i]-t*dil)%step == 0 {
				last = t
			}
		}
		if last >= 0 {
			f.taps, f.low = last/tapStep+1, (r+k.PadLo[i]-last*dil)/step
		}
		at := slices.IndexFunc(all, func(o phases) bool { return k.groups == 1 && o.taps == f.taps && o.low == f.low })
		if at < 0 {
			at, all = len(all), append(all, f)
		}
		all[at].residues = append(all[at].residues, r)
		all[at].last = append(all[at].last, last)
	}
	return all
}

// lay fills in the sizes of a product and cuts it: the number of tasks.
func (k *transposeFast) lay(p *Prep, t *transposeProduct) int {
	t.taps, t.cols, t.direct = 1, k.icg, true
	for i, f := range t.of {
		t.window.Out[i], t.window.Kernel[i], t.window.Pad[i] = f.size, max(1, f.taps), -f.low
		t.taps *= f.taps
		t.cols *= len(f.residues)
		t.direct = t.direct && f.taps == 1 && f.low == 0 && f.size == k.Out[i]
	}
	t.run = 1
	if x := t.of[2].residues; x[len(x)-1]-x[0] == len(x)-1 {
		t.run = len(x)
	}
	t.rows = t.window.Rows()
	depth, threads, mr, nr := t.taps*k.ocg, max(1, p.Threads), k.gemm.MR, k.gemm.NR
	panels, want := (t.cols+nr-1)/nr, 1
	if k.n*k.groups < 4*threads {
		want = parts(t.rows*t.cols*depth, taskMACs, threads)
	}
	t.rowChunk, t.colChunk = t.rows, panels
	if (4*depth*t.cols > cacheBytes || t.rows < want*mr) && panels >= want {
		t.colChunk = (panels + want - 1) / want
	} else {
		t.rowChunk = (t.rows + want - 1) / want
	}
	t.colChunk *= nr
	width := min(t.colChunk, t.cols)
	t.rowChunk = min(t.rowChunk, mr*max(1, transposeRoom/(mr*width)))
	t.rowChunks = (t.rows + t.rowChunk - 1) / t.rowChunk
	t.chunks = t.rowChunks * ((t.cols + t.colChunk - 1) / t.colChunk)
	k.room = max(k.room, roundUp(t.rowChunk*width, 16))
	if !t.direct {
		k.table = max(k.table, kern.RowsSize(mr, t.rowChunk, t.taps))
	}
	return k.n * k.groups * t.chunks
}

// pack packs the weights of a product, and repeats the bias for its phases.
func (k *transposeFast) pack(p *Prep, t *transposeProduct) {
	if k.bias {
		t.bias = make([]float32, k.groups*t.cols)
		k.repeatBias(t)
	}
	if t.taps == 0 {
		return
	}
	w := k.params[0]
	t.size = k.gemm.PackedSize(t.cols, t.taps*k.ocg)
	layout := "transposed/" + k.gemm.Name
	for i, f := range t.of {
		for _, v := range append([]int{t.tapStep[i], f.taps, len(f.last)}, f.last...) {
			layout += string(rune(v + 1))
		}
	}
	packed := p.PackParts(&w, layout, 4*t.size*k.groups, 1, func(dst []byte, _ int, buf *packBuffer) {
		k.packInto(t, tensor.CastSlice[float32](dst), buf)
	})
	t.packed = tensor.CastSlice[float32](packed)
}

func (k *transposeFast) repeatBias(t *transposeProduct) {
	b := f32(&k.params[1])
	for g := range k.groups {
		for at := 0; at < t.cols; at += k.icg {
			copy(t.bias[g*t.cols+at:], b[g*k.icg:(g+1)*k.icg])
		}
	}
}

// packInto gathers the weights of a product, [taps * channels][columns], and packs
// them.
func (k *transposeFast) packInto(t *transposeProduct, dst []float32, buf *packBuffer) {
	w := weightRows(&k.params[0], 0, k.oc, buf)
	depth, all := t.taps*k.ocg, k.Taps()
	rows := buf.floats(depth * t.cols)
	for g := range k.groups {
		for m := range t.taps {
			tx, ty, tz := m%t.of[2].taps, m/t.of[2].taps%t.of[1].taps, m/t.of[2].taps/t.of[1].taps
			at := 0
			for _, z := range t.of[0].last {
				for _, y := range t.of[1].last {
					for _, x := range t.of[2].last {
						tap := ((z-tz*t.tapStep[0])*k.Kernel[1]+y-ty*t.tapStep[1])*k.Kernel[2] + x - tx*t.tapStep[2]
						for c := range k.ocg {
							copy(rows[(m*k.ocg+c)*t.cols+at:], w[((g*k.ocg+c)*all+tap)*k.icg:][:k.icg])
						}
						at += k.icg
					}
				}
			}
		}
		k.gemm.PackKN(dst[g*t.size:], rows, t.cols, depth, t.cols)
	}
}

// Repack packs changed weights again.
func (k *transposeFast) Repack(*Args) {
	for i := range k.products {
		t := &k.products[i]
		if k.bias {
			k.repeatBias(t)
		}
		if t.taps > 0 {
			k.packInto(t, t.packed, &k.buf)
		}
	}
}

func (k *transposeFast) Run(a *Args) {
	t := &k.products[len(k.products)-1]
	a.Parallel(t.first+k.n*k.groups*t.chunks, k)
}

// Do computes some rows and columns of one group of one image in one product.
func (k *transposeFast) Do(a *Args, i, worker int) {
	t := &k.products[0]
	for j := 1; j < len(k.products) && k.products[j].first <= i; j++ {
		t = &k.products[j]
	}
	i -= t.first
	chunk, group, image := i%t.chunks, i/t.chunks%k.groups, i/t.chunks/k.groups
	m0, n0 := chunk%t.rowChunks*t.rowChunk, chunk/t.rowChunks*t.colChunk
	m1, n1 := min(t.rows, m0+t.rowChunk), min(t.cols, n0+t.colChunk)
	each := k.table + k.room
	room := tensor.CastSlice[float32](a.Scratch)[worker*each:][:each]
	out := room[k.table:]
	args := kern.GemmF32Args{Taps: t.taps, KC: k.ocg, N: n1 - n0, C: out, LDC: n1 - n0, Min: k.lo, Max: k.hi}
	if t.bias != nil {
		args.Bias = t.bias[group*t.cols+n0:][:n1-n0]
	}
	args.A = argF32(a, k.params, 0)[image*k.OutSize()*k.oc+group*k.ocg:]
	if t.taps > 0 {
		args.B = t.packed[group*t.size+n0*t.taps*k.ocg:]
	}
	switch {
	case t.taps == 0:
		for m := range m1 - m0 {
			if row := out[m*args.LDC:][:args.LDC]; args.Bias != nil {
				kern.BinaryScalarF32(kern.Add, row, args.Bias, 0, k.lo, k.hi)
			} else {
				clear(row)
				kern.BinaryScalarF32(kern.Add, row, row, 0, k.lo, k.hi)
			}
		}
	case t.direct:
		args.A, args.LDA = args.A[m0*k.oc:], k.oc
		k.gemm.Run(&args, 0, m1-m0, 0, n1-n0)
	default:
		table := tensor.CastSlice[int32](a.Scratch)[worker*each:][:k.table]
		args.Rows, args.Cut = table, k.gemm.Even(m1-m0)
		t.window.FillRows(table, k.gemm.MR, args.Cut, m0, m1)
		k.gemm.Run(&args, 0, m1-m0, 0, n1-n0)
	}
	if k.late != nil {
		actRow(k.late, out[:(m1-m0)*(n1-n0)])
	}
	y := f32(&a.Out)[image*k.InSize()*k.ic+group*k.icg:]
	for m := m0; m < m1; m++ {
		k.place(t, y, out[(m-m0)*(n1-n0):][:n1-n0], m, n0)
	}
}

// place copies a row of a product, which starts with column n0, to its places.
func (k *transposeFast) place(t *transposeProduct, y, row []float32, m, n0 int) {
	o, n1 := t.window.Out, n0+len(row)
	mz, my, mx := m/o[2]/o[1]*k.step[0], m/o[2]%o[1]*k.step[1], m%o[2]*k.step[2]
	x, at := t.of[2].residues, 0
	for _, rz := range t.of[0].residues {
		for _, ry := range t.of[1].residues {
			line := ((mz+rz)*k.In[1] + my + ry) * k.In[2]
			inside := mz+rz < k.In[0] && my+ry < k.In[1]
			for j := 0; j < len(x); j += t.run {
				px, from := mx+x[j], at
				at += t.run * k.icg
				if !inside || px >= k.In[2] || at <= n0 || from >= n1 {
					continue
				}
				lo, hi := max(from, n0), min(from+min(t.run, k.In[2]-px)*k.icg, n1)
				if lo < hi {
					copy(y[(line+px)*k.ic+lo-from:], row[lo-n0:hi-n0])
				}
			}
		}
	}
}
