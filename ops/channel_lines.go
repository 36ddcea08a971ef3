package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// channelLines walks [rows, c] in lines of some rows, so that loops fill vectors
// even for few channels. Sums go block by block, each block in runs whose sums
// are float32, so that neither bits nor memory depend on the number of threads.
type channelLines struct {
	rows, c int
	reps    int // rows of a line
	n       int // floats of a line: reps * c
	lines   int // full ones
	rest    int // floats of the last, shorter one
	perBlk  int // lines of a block; the unit of partial sums
	blocks  int
}

const (
	lineWidth = 64
	// lineRun is how many lines are summed in float32 before float64 takes over.
	lineRun   = 128
	maxBlocks = 16
)

//go:noinline
func newChannelLines(s tensor.Shape) channelLines {
	l := channelLines{rows: s.Rows(), c: s.Channels()}
	l.reps = max(1, (lineWidth+l.c-1)/max(1, l.c))
	l.reps = max(1, min(l.reps, l.rows))
	l.n = l.reps * l.c
	l.lines = l.rows / l.reps
	l.rest = l.rows % l.reps * l.c
	l.perBlk = max(1, (l.lines+maxBlocks-1)/maxBlocks)
	l.blocks = max(1, (l.lines+l.perBlk-1)/l.perBlk)
	return l
}

// width is the floats between lines of factors in scratch.
func (l *channelLines) width() int { return roundUp(l.n, 16) }

// scratch is the floats for two sums of each block in float64, and three lines
// for each worker.
func (l *channelLines) scratch(threads int) int {
	return roundUp(4*l.blocks*l.c, 16) + threads*3*l.width()
}

// partial is the float64 sums of a block, of both kinds.
func (l *channelLines) partial(s []float32, block int) (sum, square []float64) {
	all := tensor.CastSlice[float64](tensor.BytesOf(s))[2*block*l.c:]
	return all[:l.c], all[l.c : 2*l.c]
}

// total adds up channel c of all blocks.
//
//go:noinline
func (l *channelLines) total(s []float32, c int) (sum, square float64) {
	for b := range l.blocks {
		p, q := l.partial(s, b)
		sum += p[c]
		square += q[c]
	}
	return sum, square
}

// own is a worker's line i.
func (l *channelLines) own(s []float32, worker, i int) []float32 {
	return s[roundUp(4*l.blocks*l.c, 16)+(3*worker+i)*l.width():][:l.n]
}

// run is where run i of a block starts, and the floats and number of its lines;
// 0 lines after the last.
func (l *channelLines) run(block, i int) (at, n, lines int) {
	first, end := block*l.perBlk, min(l.lines, (block+1)*l.perBlk)
	if from := first + i*lineRun; from < end {
		return from * l.n, l.n, min(lineRun, end-from)
	}
	if block == l.blocks-1 && l.rest > 0 && i == (end-first+lineRun-1)/lineRun {
		return l.lines * l.n, l.rest, 1
	}
	return 0, 0, 0
}

// fold adds a line's columns to the sums of its channels.
func (l *channelLines) fold(sums []float64, line []float32) {
	for j := 0; j < len(line); j += l.c {
		for c, v := range line[j : j+l.c] {
			sums[c] += float64(v)
		}
	}
}

// repeat fills a line with copies of its first row.
func (l *channelLines) repeat(line []float32) {
	for j := l.c; j < l.n; j += l.c {
		copy(line[j:j+l.c], line[:l.c])
	}
}

// moments sums x and its squares over a block. A run's squares are of its
// deviations from its own mean, so that nothing is lost where the mean is
// large; sum of squares = sum of squared deviations from m + m*(2*sum - n*m).
func (l *channelLines) moments(x, s []float32, block, worker int) {
	l.momentsIn(x, s, s[roundUp(4*l.blocks*l.c, 16)+3*worker*l.width():], block)
}

// momentsIn is moments with a worker's lines given.
//
//go:noinline
func (l *channelLines) momentsIn(x, s, own []float32, block int) {
	sum, square := l.partial(s, block)
	clear(sum)
	clear(square)
	acc, mean := own[:l.n], own[l.width():][:l.n]
	for i := 0; ; i++ {
		at, n, lines := l.run(block, i)
		if lines == 0 {
			return
		}
		k := kern.NormLines{X: x[at:], N: n, Lines: lines, Mean: mean, Sums: acc}
		clear(acc)
		k.Sum()
		rows := float64(lines * n / l.c)
		for c := range l.c {
			total := 0.0
			for j := c; j < n; j += l.c {
				total += float64(acc[j])
			}
			m := float32(total / rows)
			mean[c] = m
			sum[c] += total
			square[c] += float64(m) * (2*total - rows*float64(m))
		}
		l.repeat(mean)
		clear(acc)
		k.Squares()
		l.fold(square, acc[:n])
	}
}

// channelSums adds up DOut channel by channel: the gradient of a bias.
type channelSums struct{ channelLines }

func (l *channelSums) addTo(g *Grads, db []float32) {
	g.Parallel(l.blocks, l)
	s := tensor.CastSlice[float32](g.Scratch)
	for c := range db {
		sum, _ := l.total(s, c)
		db[c] += float32(sum)
	}
}

// Do sums a block.
func (l *channelSums) Do(g *Grads, block, worker int) {
	s := tensor.CastSlice[float32](g.Scratch)
	sum, square := l.partial(s, block)
	clear(sum)
	clear(square)
	acc := l.own(s, worker, 0)
	for i := 0; ; i++ {
		at, n, lines := l.run(block, i)
		if lines == 0 {
			return
		}
		k := kern.NormLines{X: g.DOut.F32()[at:], N: n, Lines: lines, Sums: acc}
		clear(acc)
		k.Sum()
		l.fold(sum, acc[:n])
	}
}
