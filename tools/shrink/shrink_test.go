package shrink

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/arch"
)

// network is an untrained one whose last layer tells classes apart: a new one's
// is 0.
func network(t *testing.T, name string) *graph.Graph {
	t.Helper()
	g, err := arch.New(name, arch.Options{Classes: 10, Seed: 7})
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(8, 9))
	for i := range g.Len() {
		if n := g.Node(graph.ID(i)); n.Op.Kind() == ops.KindDense {
			v := n.Params[0].F32()
			for j := range v {
				v[j] = float32(rng.NormFloat64())
			}
		}
	}
	return g
}

// noise is smooth random images.
type noise struct{ n int }

func (s noise) Len() int { return s.n }

func (s noise) Fill(i int, in tensor.Tensor) error {
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	c := in.Shape.Channels()
	v := in.F32()
	for j := range v {
		v[j] = float32(rng.NormFloat64())
		if j >= c {
			v[j] = 0.8*v[j-c] + 0.6*v[j]
		}
	}
	return nil
}

// agreement is the share of samples for which a network answers as g does.
func agreement(t *testing.T, g *graph.Graph, src noise) func(*graph.Graph) (float64, error) {
	answers := func(g *graph.Graph) []int {
		r, err := newRunner(g, nil, 1)
		require.NoError(t, err)
		defer r.close()
		var list []int
		for i := range src.n {
			require.NoError(t, r.run(context.Background(), src, i))
			best, v := 0, r.session.Output(0).F32()
			for c, x := range v {
				if x > v[best] {
					best = c
				}
			}
			list = append(list, best)
		}
		return list
	}
	want := answers(g)
	return func(g *graph.Graph) (float64, error) {
		right := 0
		for i, a := range answers(g) {
			if a == want[i] {
				right++
			}
		}
		return float64(right) / float64(len(want)), nil
	}
}

// TestSearch: at every drop the score is kept, more may be lost for a smaller
// file, and what was judged is what the file's reader gets.
func TestSearch(t *testing.T) {
	for _, name := range []string{"glyphnet", "dscnn"} {
		g := network(t, name)
		src := noise{64}
		score := agreement(t, g, src)
		raw, err := format.Marshal(g, nil)
		require.NoError(t, err)
		size := len(raw)
		for _, drop := range []float64{0, 0.05, 0.2} {
			run := func(threads int) (*Result, []byte) {
				r, err := Search(context.Background(), g, src, Options{Score: score, Drop: drop, Samples: 32, Threads: threads})
				require.NoError(t, err)
				b, err := format.Marshal(r.Graph, &format.WriteOptions{Encode: r.Encode})
				require.NoError(t, err)
				return r, b
			}
			r, b := run(1)
			require.Equal(t, 1.0, r.Was)
			require.GreaterOrEqual(t, r.Score, 1-drop-1e-9)
			require.NotEmpty(t, r.Layers)
			require.LessOrEqual(t, len(b), size)
			size = len(b)
			f, err := format.Parse(b)
			require.NoError(t, err)
			for i := range f.Graph.Len() {
				for j, p := range f.Graph.Node(graph.ID(i)).Params {
					require.True(t, bytes.Equal(p.Data, r.Graph.Node(graph.ID(i)).Params[j].Data), "%s: node %d, parameter %d", name, i, j)
				}
			}
			s, err := score(f.Graph)
			require.NoError(t, err)
			require.Equal(t, r.Score, s)
			if drop == 0 {
				_, again := run(2)
				require.True(t, bytes.Equal(b, again), "%s: the same file each time and for any number of threads", name)
			}
			t.Logf("%s, drop %.2f: %d -> %d bytes, %.3f", name, drop, len(raw), len(b), r.Score)
		}
		require.Less(t, size, len(raw)/4, name)
	}
}

// TestSearchOutOfReach: where no rounding is good enough, nothing is rounded.
func TestSearchOutOfReach(t *testing.T) {
	g := network(t, "glyphnet")
	first := true
	r, err := Search(context.Background(), g, noise{4}, Options{Samples: 4, Threads: 1, Score: func(*graph.Graph) (float64, error) {
		defer func() { first = false }()
		if first {
			return 1, nil
		}
		return 0.5, nil
	}})
	require.NoError(t, err)
	require.Equal(t, r.Was, r.Score)
	require.Empty(t, r.Layers)
	b, err := format.Marshal(r.Graph, &format.WriteOptions{Encode: r.Encode})
	require.NoError(t, err)
	f, err := format.Parse(b)
	require.NoError(t, err)
	for i := range g.Len() {
		for j, p := range g.Node(graph.ID(i)).Params {
			require.True(t, bytes.Equal(p.Data, f.Graph.Node(graph.ID(i)).Params[j].Data))
		}
	}

	_, err = Search(context.Background(), g, noise{0}, Options{})
	require.ErrorContains(t, err, "no samples")
	bad := errors.New("no score")
	_, err = Search(context.Background(), g, noise{4}, Options{Score: func(*graph.Graph) (float64, error) { return 0, bad }})
	require.ErrorIs(t, err, bad)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Search(ctx, g, noise{4}, Options{Samples: 4, Score: func(*graph.Graph) (float64, error) { return 1, nil }})
	require.ErrorIs(t, err, context.Canceled)
}
