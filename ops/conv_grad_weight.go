package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradWeight is dw as a product over output positions: for each tap,
// dw[oc, tap, c] += sum over positions of d[position, oc] * x[what the tap sees, c].
// Nothing is packed: a table of offsets says what the tap sees. Where the taps
// of a row of the kernel see positions side by side, they are one tap of as many
// times the channels; output columns where some of these see padding come after
// the others, one by one. A task owns some columns and rows of one tap and goes
// through the positions in order, chunk by chunk, so the order of a sum does not
// depend on the number of threads. Where weights are few, positions go in parts
// with sums of their own, added in order: that cuts the work without reading the
// positions more often.
type convGradWeight struct {
	k        *convGrad
	side     int   // taps side by side
	chunk    int   // positions at once, so that their rows stay in the cache
	table    int   // positions in a table: whole images, or a chunk
	edges    []int // output columns that see padding, where taps lie side by side
	cols     int   // columns of a task
	colTasks int   // tasks a tap and group
	rows     int   // of a task
	rowTasks int
	parts    int // 1: sums go to the gradient
	sums     int // floats of one part's sums
	base     int // where they begin: behind the workers' tables
	slot     int // 32-bit words of one worker's scratch
	total    convGradWeightTotal
}

// gradChunkBytes of d and x are passed over together, in the first-level cache;
// gradTable bounds a table of positions that holds whole images, gradLine the
// output lines whose edges are worth a turn of their own.
const (
	gradChunkBytes = 24 << 10
	gradTable      = 4096
	gradLine       = 256
	gradParts      = 8
	gradPartBytes  = 640 << 10 // of all parts' sums
)

func newConvGradWeight(p *GradPrep, k *convGrad) *convGradWeight {
	t := &convGradWeight{k: k, side: 1}
	all, image, line := k.n*k.OutSize(), k.OutSize(), k.Out[2]
	// A kernel wider than the image has no position where all taps are inside.
	if k.groups == 1 && k.Dilation[2] == 1 && line > 0 && line <= gradLine && k.Kernel[2] <= k.In[2] {
		t.side = k.Kernel[2]
	}
	threads := max(1, p.Threads)
	width := t.side * k.icg
	t.cols, t.rows = min(width, 128), k.ocg
	t.chunk = max(64, gradChunkBytes/(4*(t.rows+t.cols))/16*16) // of every number of threads: so go the sums
	if t.side > 1 {
		t.chunk = roundUp(t.chunk, line) // edges are gone through line by line
	}
	t.chunk = min(t.chunk, all)
	switch {
	case image == 0:
	case t.chunk >= image:
		t.chunk -= t.chunk % image
		t.table = t.chunk
	case image <= gradTable:
		t.table = image
	default:
		t.table = t.chunk
	}
	t.slot = t.table
	for o := range line {
		if w := o*k.Stride[2] - k.PadLo[2]; t.side > 1 && (w < 0 || w+t.side > k.In[2]) {
			t.edges = append(t.edges, o)
			t.slot += t.table / line
		}
	}
	t.slot = roundUp(t.slot, 16)
	t.parts, t.sums = 1, roundUp(k.oc*k.Taps()*k.icg, 16)
	if n := min(gradParts, t.tables()); 4*t.sums*n <= gradPartBytes && n > 1 {
		t.parts = n
	} else if threads > 1 {
		t.cols = min(width, 32)
	}
	t.colTasks = (width + t.cols - 1) / t.cols
	if n := t.parts * k.groups * k.Taps() / t.side * t.colTasks; threads > 1 && n < 2*threads {
		t.rows = max(12, k.ocg*n/(2*threads)/12*12)
	}
	t.rowTasks = (k.ocg + t.rows - 1) / t.rows
	t.total.t = t
	t.base = t.slot * threads
	if t.parts > 1 {
		p.NeedScratch(4 * (t.base + t.parts*t.sums))
	} else {
		p.NeedScratch(4 * t.base)
	}
	return t
}

// tables is how many tables of positions there are.
func (t *convGradWeight) tables() int {
	if t.table == 0 {
		return 0
	}
	return (t.k.n*t.k.OutSize() + t.table - 1) / t.table
}

func (t *convGradWeight) Run(g *Grads) {
	g.Parallel(t.parts*t.k.groups*t.k.Taps()/t.side*t.colTasks*t.rowTasks, t)
	if t.parts > 1 {
		g.Parallel((t.sums+gradTotal-1)/gradTotal, &t.total)
	}
}

// gradTotal is how many sums of all parts are added by one task.
const gradTotal = 4 << 10

// convGradWeightTotal adds the parts' sums to the gradient.
type convGradWeightTotal struct{ t *convGradWeight }

func (x *convGradWeightTotal) Do(g *Grads, i, _ int) {
	t, dw := x.t, g.DParams[0].F32()
	from, to := i*gradTotal, min((i+1)*gradTotal, len(dw))
	for part := range t.parts {
		kern.AxpyF32(dw[from:to], t.partSums(g, part)[from:], 1, 1)
	}
}

func (t *convGradWeight) partSums(g *Grads, part int) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[t.base+part*t.sums:][:t.sums]
}

// tapColumns is a tap, or taps side by side, and some columns of what it sees.
type tapColumns struct {
	at       [MaxSpatial]int // position in the kernel
	from, to int
}

// Do adds to some columns and rows of one tap of one group.
func (t *convGradWeight) Do(g *Grads, i, worker int) {
	k := t.k
	taps := k.Taps()
	m0 := i % t.rowTasks * t.rows
	i /= t.rowTasks
	c0 := i % t.colTasks * t.cols
	i = i / t.colTasks * t.side
	tap, group, part := i%taps, i/taps%k.groups, i/taps/k.groups
	v := tapColumns{from: c0, to: min(c0+t.cols, t.side*k.icg)}
	v.at = [MaxSpatial]int{tap / (k.Kernel[1] * k.Kernel[2]), tap / k.Kernel[2] % k.Kernel[1], tap % k.Kernel[2]}
	rows := tensor.CastSlice[int32](g.Scratch[4*worker*t.slot:])[:t.slot]
	d, x := g.DOut.F32()[group*k.ocg+m0:], g.In[0].F32()[group*k.icg:]
	args := kern.GemmTNArgs{
		LDA: k.oc, M: min(t.rows, k.ocg-m0), N: v.to - v.from, LDC: taps * k.icg, Accumulate: true,
	}
	to := g.DParams[0].F32()
	if t.parts > 1 {
		to = t.partSums(g, part)
		args.Accumulate = false // from the second chunk on
	}
	args.C = to[((group*k.ocg+m0)*taps+tap)*k.icg+c0:]
	first, last := t.table*(t.tables()*part/t.parts), t.table*(t.tables()*(part+1)/t.parts)
	image := k.OutSize()
	for from := first; from < min(last, k.n*image); from += t.table {
		// Offsets are 32 bits and count from the table's first image.
		base := from / image
		args.B = x[base*k.InSize()*k.ic:]
		table, edges := rows[:min(t.table, k.n*image-from)], rows[t.table:]
		if from == first || t.table%image != 0 {
			t.fill(table, edges, &v, from-base*image)
		}
		for at := 0; at < len(table); at += t.chunk {
			args.Rows = table[at:min(len(table), at+t.chunk)]
			args.A, args.K = d[(from+at)*k.oc:], len(args.Rows)
			args.Run(0, args.M, 0, args.N)
			args.Accumulate = true
			for i, o := range t.edges {
				t.addEdge(args, edges[i*t.table/k.Out[2]+at/k.Out[2]:][:args.K/k.Out[2]], &v, o)
			}
		}
	}
}

// line is where output line l, counted from an image's first, finds its inputs:
// -1 in the padding.
func (t *convGradWeight) line(v *tapColumns, l int) int {
	g := &t.k.Geom
	image, o, r := l/(g.Out[0]*g.Out[1]), l/g.Out[1]%g.Out[0], l%g.Out[1]
	d := o*g.Stride[0] + v.at[0]*g.Dilation[0] - g.PadLo[0]
	h := r*g.Stride[1] + v.at[1]*g.Dilation[1] - g.PadLo[1]
	if uint(d) >= uint(g.In[0]) || uint(h) >= uint(g.In[1]) {
		return -1
	}
	return ((image*g.In[0]+d)*g.In[1] + h) * g.In[2] * t.k.ic
}

// first is the input column that the first tap sees from output column o.
func (t *convGradWeight) first(v *tapColumns, o int) int {
	return o*t.k.Stride[2] + v.at[2]*t.k.Dilation[2] - t.k.PadLo[2]
}

// fill writes where the positions from the given one on find the columns, counted
// from the image that position 0 lies in: -1 where not all taps are inside. For
// each edge it writes where each line finds those that are.
func (t *convGradWeight) fill(rows, edges []int32, v *tapColumns, from int) {
	k, width := t.k, t.k.Out[2]
	for i := 0; i < len(rows); {
		o := (from + i) % width
		line := t.line(v, (from+i)/width)
		for ; o < width && i < len(rows); o++ {
			rows[i] = -1
			if w := t.first(v, o); line >= 0 && w >= 0 && w+t.side <= k.In[2] {
				rows[i] = int32(line + w*k.ic + v.from)
			}
			i++
		}
	}
	for i, o := range t.edges {
		first, _ := t.edge(v, o)
		for l := range len(rows) / width {
			at := t.line(v, from/width+l)
			if at >= 0 {
				at += t.first(v, o)*k.ic + first
			}
			edges[i*t.table/width+l] = int32(at)
		}
	}
}

// edge is which of the columns are inside for an output in column o.
func (t *convGradWeight) edge(v *tapColumns, o int) (from, to int) {
	w := t.first(v, o)
	return max(v.from, -w*t.k.ic), min(v.to, (t.k.In[2]-w)*t.k.ic)
}

// addEdge adds what the lines of a chunk see from output column o.
func (t *convGradWeight) addEdge(a kern.GemmTNArgs, rows []int32, v *tapColumns, o int) {
	from, to := t.edge(v, o)
	if from >= to {
		return
	}
	a.A, a.LDA, a.K, a.Rows = a.A[o*t.k.oc:], t.k.Out[2]*t.k.oc, len(rows), rows
	a.C, a.N = a.C[from-v.from:], to-from
	a.Run(0, a.M, 0, a.N)
}
