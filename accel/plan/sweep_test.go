package plan

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSweep: the plan of very many spans is right, and not much larger than the bound.
func TestSweep(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	total, bound := 0, 0
	for range 300 {
		n := 2 + rng.IntN(60)
		spans := make([]Span, n)
		used := make([]int, n)
		for i := range spans {
			first := rng.IntN(n)
			spans[i] = Span{Bytes: 1 + rng.IntN(1<<(4+rng.IntN(14))), First: first, Last: first + rng.IntN(1+rng.IntN(8))}
			used[i] = i
		}
		p := sweep(spans, slices.Clone(used))
		check(t, spans, p)
		total += p.Size
		bound += LowerBound(spans)
	}
	t.Log(float64(total) / float64(bound))
	require.Less(t, float64(total), 1.3*float64(bound))
}

// TestManySpans: 20,000 spans that are all in use at once for a while, and 100,000 that come and go, take
// far less than the minutes that comparing all with all would.
func TestManySpans(t *testing.T) {
	pyramid, chain := make([]Span, 20_000), make([]Span, 100_000)
	for i := range pyramid {
		pyramid[i] = Span{Bytes: 64 * (1 + i%7), First: i, Last: 2*len(pyramid) - i}
	}
	for i := range chain {
		chain[i] = Span{Bytes: 1 + i*i%5000, First: i, Last: i + 1 + i*i%11}
	}
	for name, spans := range map[string][]Span{"pyramid": pyramid, "chain": chain} {
		start := time.Now()
		p := Greedy(spans)
		t.Logf("%s: %v, %.3f of the bound", name, time.Since(start), float64(p.Size)/float64(LowerBound(spans)))
		require.Less(t, time.Since(start), 20*time.Second)
		require.Less(t, float64(p.Size), 1.5*float64(LowerBound(spans)))
	}
}
