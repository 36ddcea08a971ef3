package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradIn is dx as an indirect product: rows are input positions, the depth
// the taps that reach them times output channels. With a stride, positions of
// one phase (position + padding modulo stride) are reached by the same taps:
// each phase is a product of its own, and no product is with a zero.
type convGradIn struct {
	k      *convGrad
	gemm   *kern.GemmF32
	phases []convPhase
	table  int // int32 of one worker's offset table, after the number of the part it is of
	slots  int // workers
	turned int // floats of the turned weights of the largest phase
	packed int // floats of all packed weights
	line   bool
	chunk  int // rows of one task when the stride is 1
	lo, hi float32
	sets   bool // the gradient is set, not added to
	tasks  []phaseTask
}

// tableHead is the int32 before a table; the first says which part it is of.
const tableHead = 16

// convPhase is the input positions first + j*stride, j < count.
type convPhase struct {
	first, count [MaxSpatial]int
	taps         []int // kernel positions that reach them
	shift        [][MaxSpatial]int
	packed       int // offset of its weights
}

// phaseTask computes one phase; it exists so that Parallel can be handed it.
type phaseTask struct {
	t     *convGradIn
	phase *convPhase
}

func newConvGradIn(p *GradPrep, k *convGrad, gemm *kern.GemmF32) *convGradIn {
	t := &convGradIn{k: k, gemm: gemm, lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))}
	t.line = k.Stride != [MaxSpatial]int{1, 1, 1}
	for d := range k.Stride[0] {
		for h := range k.Stride[1] {
			for w := range k.Stride[2] {
				t.addPhase([MaxSpatial]int{d, h, w})
			}
		}
	}
	// Positions that no tap reaches are left alone.
	t.sets = len(t.phases) == k.Stride[0]*k.Stride[1]*k.Stride[2] && p.writes(0)
	maxTaps, maxRows := 0, 0
	for i := range t.phases {
		ph := &t.phases[i]
		ph.packed = t.packed
		t.packed += gemm.PackedSize(k.icg, len(ph.taps)*k.ocg) * k.groups
		maxTaps = max(maxTaps, len(ph.taps))
		maxRows = max(maxRows, ph.count[2])
		t.tasks = append(t.tasks, phaseTask{t, ph})
	}
	if !t.line {
		t.chunk = min(roundUp(k.InSize(), gemm.MR), gemm.MR*max(8, (64<<10)/(4*gemm.MR*max(1, maxTaps))))
		maxRows = t.chunk
	}
	t.slots = max(1, p.Threads)
	t.table = tableHead + roundUp(kern.RowsSize(gemm.MR, maxRows, max(1, maxTaps)), 16)
	t.turned = roundUp(maxTaps*k.ocg*k.icg, 16)
	p.NeedScratch(4 * (t.table*t.slots + t.turned + t.packed))
	return t
}

// addPhase finds the positions and taps of a phase; one that is empty or that
// no tap reaches is left out: its gradient is zero.
func (t *convGradIn) addPhase(phase [MaxSpatial]int) {
	k := t.k
	var ph convPhase
	for i, r := range phase {
		s := k.Stride[i]
		ph.first[i] = ((r-k.PadLo[i])%s + s) % s
		if ph.first[i] >= k.In[i] {
			return
		}
		ph.count[i] = (k.In[i]-ph.first[i]-1)/s + 1
	}
	for tap := range k.Taps() {
		kt := [3]int{tap / (k.Kernel[1] * k.Kernel[2]), tap / k.Kernel[2] % k.Kernel[1], tap % k.Kernel[2]}
		var shift [MaxSpatial]int
		reaches := true
		for i := range kt {
			v := ph.first[i] + k.PadLo[i] - kt[i]*k.Dilation[i]
			if v%k.Stride[i] != 0 {
				reaches = false
				break
			}
			shift[i] = v / k.Stride[i]
		}
		if reaches {
			ph.taps = append(ph.taps, tap)
			ph.shift = append(ph.shift, shift)
		}
	}
	if len(ph.taps) > 0 {
		t.phases = append(t.phases, ph)
	}
}

func (t *convGradIn) Run(g *Grads) {
	for i := range t.tasks {
		t.pack(g, &t.phases[i])
		for worker := range t.slots {
			t.tableOf(g, worker)[0] = -1
		}
		ph := &t.phases[i]
		n := t.k.n * t.k.groups
		if t.line {
			n *= ph.count[0] * ph.count[1]
		} else {
			n *= (t.k.InSize() + t.chunk - 1) / t.chunk
		}
		g.Parallel(n, &t.tasks[i])
	}
}

// scratch parts: packed weights, turned weights, then the workers' tables.
func (t *convGradIn) packedAll(g *Grads) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[:t.packed]
}

// tableOf is a worker's number of a part and table.
func (t *convGradIn) tableOf(g *Grads, worker int) []int32 {
	return tensor.CastSlice[int32](g.Scratch)[t.packed+t.turned+worker*t.table:][:t.table]
}

// pack turns the weights of a phase round, [taps][oc][ic], and packs them.
func (t *convGradIn) pack(g *Grads, ph *convPhase) {
	k := t.k
	w := g.Params[0].F32()
	tmp := tensor.CastSlice[float32](g.Scratch)[t.packed : t.packed+t.turned]
	depth := len(ph.taps) * k.ocg
	size := t.gemm.PackedSize(k.icg, depth)
	for group := range k.groups {
		for i, tap := range ph.taps {
			for o := range k.ocg {
				copy(tmp[(i*k.ocg+o)*k.icg:][:k.icg], w[((group*k.ocg+o)*k.Taps()+tap)*k.icg:])
			}
		}
		t.gemm.PackKN(t.packedAll(g)[ph.packed+group*size:][:size], tmp, k.icg, depth, k.icg)
	}
}

func (pt *phaseTask) Do(g *Grads, i, worker int) {
	t, k, ph := pt.t, pt.t.k, pt.phase
	depth := len(ph.taps) * k.ocg
	size := t.gemm.PackedSize(k.icg, depth)
	parts := (k.InSize() + t.chunk - 1) / max(t.chunk, 1)
	if t.line {
		parts = ph.count[0] * ph.count[1]
	}
	// Images of the same part come one after the other: they share the table.
	image, part := i%k.n, i/k.n%parts
	group := i / k.n / parts
	table := t.tableOf(g, worker)
	stale := table[0] != int32(part)
	table[0] = int32(part)
	table = table[tableHead:]

	var rows, at, step int // of the result: number, first position, distance
	if t.line {
		j := [MaxSpatial]int{part / ph.count[1], part % ph.count[1], 0}
		rows, step = ph.count[2], k.Stride[2]
		at = ((ph.first[0]+j[0]*k.Stride[0])*k.In[1]+ph.first[1]+j[1]*k.Stride[1])*k.In[2] + ph.first[2]
		if stale {
			t.fill(table, ph, (j[0]*ph.count[1]+j[1])*ph.count[2], rows)
		}
	} else {
		at, step = part*t.chunk, 1
		rows = min(t.chunk, k.InSize()-at)
		if stale {
			t.fill(table, ph, at, rows)
		}
	}
	dx := g.DIn[0].F32()[(image*k.InSize()+at)*k.ic+group*k.icg:]
	args := kern.GemmF32Args{
		A: g.DOut.F32()[image*k.OutSize()*k.oc+group*k.ocg:], Rows: table, Taps: len(ph.taps), KC: k.ocg,
		B: t.packedAll(g)[ph.packed+group*size:][:size], N: k.icg,
		C: dx, LDC: step * k.ic, Min: t.lo, Max: t.hi,
	}
	if !t.sets {
		args.Res, args.LDR = dx, step*k.ic
	}
	t.gemm.Run(&args, 0, rows, 0, k.icg)
}

// fill writes the offsets into d of rows positions of a phase from the given
// one on: -1 where a tap would need an output that is not there.
func (t *convGradIn) fill(table []int32, ph *convPhase, from, rows int) {
	k, mr := t.k, t.gemm.MR
	taps := len(ph.taps)
	for r := 0; r < roundUp(rows, mr); r++ {
		dst := table[r/mr*taps*mr+r%mr:]
		m := from + r
		j := [MaxSpatial]int{m / (ph.count[1] * ph.count[2]), m / ph.count[2] % ph.count[1], m % ph.count[2]}
		for i, s := range ph.shift {
			d, h, w := j[0]+s[0], j[1]+s[1], j[2]+s[2]
			if r < rows && uint(d) < uint(k.Out[0]) && uint(h) < uint(k.Out[1]) && uint(w) < uint(k.Out[2]) {
				dst[i*mr] = int32(((d*k.Out[1]+h)*k.Out[2] + w) * k.oc)
			} else {
				dst[i*mr] = -1
			}
		}
	}
}
