package quant

import (
	"errors"
	"math"
	"sync"
)

// Feedback knows how the inputs of a product vary together, and rounds its
// weights so that the product changes little: what rounding one weight changes
// is made up for by those that are rounded after it. For a row w of weights
// and inputs x of second moments H = E[x xᵀ], the product's expected squared
// change is (w-q) H (w-q)ᵀ; with H = (U+1) D (U+1)ᵀ, U strictly upper triangular,
// rounding weight k to the value next to w[k] + sum over i<k of (w[i]-q[i])
// U[i,k] leaves the sum of D[k] times squared rounding errors (Frantar et al.,
// GPTQ, 2022, in the form of Chee et al., QuIP, 2023).
type Feedback struct {
	n     int
	order []int       // columns in the order they are rounded in: the largest inputs first
	u     [][]float32 // u[k][i] is U[i,k], i < k, in that order; nil: inputs do not vary together
	d     []float64   // D, likewise
}

// NewFeedback factors the second moments h of n inputs, [n, n]; where h has
// length n it is their diagonal. damp, a share of the mean, is added to the
// diagonal.
func NewFeedback(h []float64, n int, damp float64) (*Feedback, error) {
	full := len(h) == n*n && n > 1
	if !full && len(h) != n {
		return nil, errors.New("quant: second moments are not square")
	}
	diag := func(i int) float64 {
		if full {
			return h[i*n+i]
		}
		return h[i]
	}
	mean := 0.0
	for i := range n {
		mean += diag(i) / float64(n)
	}
	if !(mean > 0) || math.IsInf(mean, 0) {
		mean = 1 // nothing ever came in: all weights are as good
	}
	damp = max(damp*mean, 1e-12)
	size := make([]float32, n)
	for i := range size {
		size[i] = float32(diag(i))
	}
	f := &Feedback{n: n, order: sortedBySize(size), d: make([]float64, n)}
	if !full {
		for k, i := range f.order {
			f.d[k] = h[i] + damp
		}
		return f, nil
	}
	// From the last column to the first: D[k] is what is left of H[k,k], column k of
	// U what is left of H's divided by it, and both are taken off what is before.
	a := make([][]float64, n)
	for k, i := range f.order {
		a[k] = make([]float64, k+1)
		for l, j := range f.order[:k+1] {
			a[k][l] = h[i*n+j]
		}
		a[k][k] += damp
	}
	// Four columns are taken off the rest at once, one after another in each number.
	f.u = make([][]float32, n)
	for k := n - 1; k >= 0; k -= panel {
		rest := max(0, k-panel+1) // rows that are not in the panel
		var rows [panel][]float64
		var dk [panel]float64
		for p := 0; k-p >= rest; p++ {
			row := a[k-p]
			d := row[k-p]
			if !(d > 0) {
				return nil, errors.New("quant: second moments are not positive")
			}
			f.d[k-p], f.u[k-p] = d, make([]float32, k-p)
			for i := range f.u[k-p] {
				f.u[k-p][i] = float32(row[i] / d)
			}
			for i := rest; i < k-p; i++ {
				less(a[i], row, row[i]/d)
			}
			rows[p], dk[p] = row, d
		}
		parallel(rest, 64, func(i int) {
			to := a[i]
			r0, r1, r2, r3 := rows[0][:len(to)], rows[1][:len(to)], rows[2][:len(to)], rows[3][:len(to)]
			s0, s1, s2, s3 := r0[i]/dk[0], r1[i]/dk[1], r2[i]/dk[2], r3[i]/dk[3]
			for j, x := range to {
				to[j] = x - s0*r0[j] - s1*r1[j] - s2*r2[j] - s3*r3[j]
			}
		})
	}
	return f, nil
}

// panel is how many columns are taken off at once.
const panel = 4

// less takes s times row off to, which may be shorter.
func less(to, row []float64, s float64) {
	row = row[:len(to)]
	for j := range to {
		to[j] -= s * row[j]
	}
}

// parallel calls f for 0 to n-1, on two and more threads from some n on.
func parallel(n, from int, f func(i int)) {
	const threads = 4
	if n < from {
		for i := range n {
			f(i)
		}
		return
	}
	var wait sync.WaitGroup
	for t := range threads {
		wait.Go(func() {
			for i := t; i < n; i += threads {
				f(i)
			}
		})
	}
	wait.Wait()
}

// Round rounds w, rows of n weights, to multiples of a row's step up to limit. rate
// weighs bits against errors: 1 is what entropy coding at these steps is best
// served with, 0 rounds to what is next.
func (f *Feedback) Round(w []float32, step []float32, limit int, rate float64) []int8 {
	q := make([]int8, len(w))
	rows := len(w) / f.n
	var cost [256]float64
	mean := 0.0
	for _, d := range f.d {
		mean += d / float64(f.n)
	}
	for pass := range 3 {
		// lambda is the slope of distortion over bits of a fine uniform quantiser:
		// step²/12 falls to a quarter with each bit.
		lambda := 0.0
		if pass > 0 {
			lambda = rate * mean / 6 * math.Ln2
		}
		parallel(rows, 2, func(r int) {
			f.row(q[r*f.n:][:f.n], w[r*f.n:][:f.n], float64(step[r]), limit, lambda, &cost)
		})
		if rate == 0 {
			break
		}
		var count [256]float64
		for _, x := range q {
			count[int(x)+128]++
		}
		for i, c := range count {
			cost[i] = math.Log2((float64(len(q)) + 256) / (c + 1))
		}
	}
	return q
}

// row rounds one row; lambda is in squared steps.
func (f *Feedback) row(q []int8, w []float32, step float64, limit int, lambda float64, cost *[256]float64) {
	if step == 0 {
		for i := range q {
			q[i] = 0
		}
		return
	}
	e := make([]float32, f.n) // errors so far, in steps
	for k, i := range f.order {
		x := float64(w[i]) / step
		if f.u != nil {
			x += float64(dot(e[:k], f.u[k]))
		}
		near := int(min(max(math.RoundToEven(x), -float64(limit)), float64(limit)))
		best := near
		if lambda > 0 && near != 0 {
			least := math.Inf(1)
			for _, c := range [3]int{near, near - sign(near), 0} {
				err := x - float64(c)
				if v := f.d[k]*err*err + lambda*cost[c+128]; v < least {
					best, least = c, v
				}
			}
		}
		q[i] = int8(best)
		// What the weight itself is off, not the sum that was rounded.
		e[k] = float32(float64(w[i])/step - float64(best))
	}
}

func sign(x int) int {
	if x < 0 {
		return -1
	}
	return 1
}

func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
