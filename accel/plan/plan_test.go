package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// check fails when two spans in use at the same time share a byte.
func check(t *testing.T, spans []Span, p Plan) {
	t.Helper()
	require.Len(t, p.Offsets, len(spans))
	for i, a := range spans {
		require.Zero(t, p.Offsets[i]%Align)
		require.LessOrEqual(t, p.Offsets[i]+a.Bytes, p.Size)
		for j, b := range spans[:i] {
			if a.Bytes > 0 && b.Bytes > 0 && a.overlaps(b) {
				apart := p.Offsets[i]+a.Bytes <= p.Offsets[j] || p.Offsets[j]+b.Bytes <= p.Offsets[i]
				require.True(t, apart, "spans %d %+v and %d %+v overlap", i, a, j, b)
			}
		}
	}
	require.GreaterOrEqual(t, p.Size, LowerBound(spans))
}

func TestChainTakesTwoNeighbours(t *testing.T) {
	spans := []Span{{1000, 0, 1}, {500, 1, 2}, {800, 2, 3}, {200, 3, 4}}
	p := Greedy(spans)
	check(t, spans, p)
	require.Equal(t, LowerBound(spans), p.Size)
	require.Equal(t, 1024+512, p.Size)
}

func TestEmptyAndUnused(t *testing.T) {
	spans := []Span{{0, 0, 9}, {64, 3, 2}, {64, 0, 0}}
	check(t, spans, Greedy(spans))
	require.Zero(t, Greedy(nil).Size)
}

// TestMoreThanAnIntCounts: a file may declare values that no machine has room for.
func TestMoreThanAnIntCounts(t *testing.T) {
	half := math.MaxInt/2&^(Align-1) + Align // two do not fit an int
	for n := 2; n < 10; n++ {
		spans := make([]Span, n)
		for i := range spans {
			spans[i] = Span{half, 0, 9}
		}
		spans = append(spans, Span{64, 0, 9})
		require.Equal(t, math.MaxInt, Greedy(spans).Size)
		require.Equal(t, math.MaxInt, LowerBound(spans))
	}
}

// TestRandom draws lifetimes like those of networks: chains with residuals and
// branches. The plan is right always and close to the bound on the whole.
func TestRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	total, bound := 0, 0
	for range 300 {
		n := 2 + rng.IntN(60)
		spans := make([]Span, n)
		for i := range spans {
			spans[i] = Span{Bytes: rng.IntN(1 << (4 + rng.IntN(14))), First: i, Last: i + 1}
			if rng.IntN(4) == 0 {
				spans[i].Last = min(n, i+1+rng.IntN(6))
			}
		}
		p := Greedy(spans)
		check(t, spans, p)
		total += p.Size
		bound += LowerBound(spans)
	}
	require.Less(t, float64(total), 1.05*float64(bound))
}
