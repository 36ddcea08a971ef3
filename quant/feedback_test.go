package quant

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// secondMoments is E[x xᵀ] of inputs that share much: what neighbours are.
func secondMoments(rng *rand.Rand, n int) []float64 {
	h := make([]float64, n*n)
	x := make([]float64, n)
	for range 4 * n {
		all := rng.NormFloat64()
		for i := range x {
			x[i] = all + 0.5*rng.NormFloat64()
		}
		for i := range x {
			for j := range x {
				h[i*n+j] += x[i] * x[j] / float64(4*n)
			}
		}
	}
	return h
}

// change is (w-q) (H + damp) (w-q)ᵀ, straight from the definition.
func change(h []float64, damp float64, w []float32, q []int8, step float32) float64 {
	n, mean, sum := len(w), 0.0, 0.0
	for i := range n {
		mean += h[i*n+i] / float64(n)
	}
	for i := range n {
		for j := range n {
			x := h[i*n+j]
			if i == j {
				x += damp * mean
			}
			sum += (float64(w[i]) - float64(q[i])*float64(step)) * x * (float64(w[j]) - float64(q[j])*float64(step))
		}
	}
	return sum
}

func plain(w []float32, step float32) []int8 {
	q := make([]int8, len(w))
	for i, x := range w {
		q[i] = int8(math.RoundToEven(float64(x / step)))
	}
	return q
}

// TestFeedback: the change of a matrix lies between the least there is, found by
// trying four roundings of every weight, and that of rounding to the nearest. A
// single row may do worse: each weight is rounded for those before it alone.
func TestFeedback(t *testing.T) {
	const n, rows, damp, step = 6, 40, 0.01, 0.7
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5 {
		h := secondMoments(rng, n)
		f, err := NewFeedback(h, n, damp)
		require.NoError(t, err)
		w, steps := make([]float32, n*rows), make([]float32, rows)
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		for i := range steps {
			steps[i] = step
		}
		q := f.Round(w, steps, 127, 0)
		var least, got, near float64
		for r := range rows {
			row := w[r*n:][:n]
			best, c := math.Inf(1), make([]int8, n)
			for code := range 1 << (2 * n) {
				for i, x := range row {
					c[i] = int8(math.Floor(float64(x/step))) - 1 + int8(code>>(2*i)&3)
				}
				best = min(best, change(h, damp, row, c, step))
			}
			is, was := change(h, damp, row, q[r*n:][:n], step), change(h, damp, row, plain(row, step), step)
			require.GreaterOrEqual(t, is, best*(1-1e-5))
			least, got, near = least+best, got+is, near+was
		}
		t.Logf("change: least %.3f, with feedback %.3f, nearest %.3f", least, got, near)
		require.Less(t, got, 0.6*near)
		require.Less(t, got, 1.5*least)
	}
}

// TestFeedbackDiagonal: inputs that do not vary together are rounded alone.
func TestFeedbackDiagonal(t *testing.T) {
	h := []float64{3, 0, 1, 2}
	f, err := NewFeedback(h, 4, 0.01)
	require.NoError(t, err)
	w := []float32{0.3, -1.6, 900, 0.5, -900, 2.4, 0, 1.1}
	require.Equal(t, []int8{0, -2, 127, 0, 0, 0, 0, 0}, f.Round(w, []float32{1, 0}, 127, 0))
	_, err = NewFeedback(h[:3], 4, 0.01)
	require.ErrorContains(t, err, "not square")
	_, err = NewFeedback([]float64{1, 2, 2, 1}, 2, 0.01)
	require.ErrorContains(t, err, "not positive")
	_, err = NewFeedback(make([]float64, 4), 2, 0.01) // nothing ever came in
	require.NoError(t, err)
}

// TestFeedbackRate: weighing bits makes fewer of them, at a change for which a
// larger step without would need more.
func TestFeedbackRate(t *testing.T) {
	const n, rows = 48, 32
	rng := rand.New(rand.NewPCG(5, 6))
	h := secondMoments(rng, n)
	f, err := NewFeedback(h, n, 0.01)
	require.NoError(t, err)
	w := make([]float32, n*rows)
	for i := range w {
		w[i] = float32(rng.NormFloat64())
	}
	try := func(step float32, rate float64) (bytes int, sum float64) {
		steps := make([]float32, rows)
		for i := range steps {
			steps[i] = step
		}
		q := f.Round(w, steps, 127, rate)
		require.Equal(t, q, f.Round(w, steps, 127, rate), "the same each time")
		b, err := (&Ints{Bits: 8, Group: len(w), Scale: []float32{step}, Q: q}).Append(nil)
		require.NoError(t, err)
		for r := range rows {
			sum += change(h, 0.01, w[r*n:][:n], q[r*n:][:n], step)
		}
		return len(b), sum
	}
	bytes, sum := try(1, 1)
	bytes0, sum0 := try(1, 0)
	t.Logf("step 1: %d bytes, change %.1f; rate 0: %d bytes, change %.1f", bytes, sum, bytes0, sum0)
	require.Less(t, bytes, bytes0)
	step := float32(1)
	for at := bytes0; at > bytes; {
		step *= 1.02
		at, sum0 = try(step, 0)
	}
	t.Logf("rate 0 at step %.2f: change %.1f", step, sum0)
	require.Less(t, sum, sum0)
}
