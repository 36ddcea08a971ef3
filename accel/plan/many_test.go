package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestManySpans: 20,000 spans that are all in use at once for a while, or that come and go, take far less than
// the minute that all attempts at a plan would.
func TestManySpans(t *testing.T) {
	pyramid, chain := make([]Span, 20_000), make([]Span, 20_000)
	for i := range pyramid {
		pyramid[i] = Span{Bytes: 64 * (1 + i%7), First: i, Last: 2*len(pyramid) - i}
	}
	for i := range chain {
		chain[i] = Span{Bytes: 1 + i*i%5003, First: i, Last: i + 1 + i*i%11}
	}
	for name, spans := range map[string][]Span{"pyramid": pyramid, "chain": chain} {
		start := time.Now()
		p := Greedy(spans)
		t.Logf("%s: %v, %.3f of the bound", name, time.Since(start), float64(p.Size)/float64(LowerBound(spans)))
		require.Less(t, time.Since(start), 20*time.Second)
		require.Less(t, float64(p.Size), 1.5*float64(LowerBound(spans)))
	}
}
