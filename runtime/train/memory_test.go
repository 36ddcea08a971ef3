package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/tools/arch"
)

// TestPlannedMemory compares what training ResNet-8 holds with a buffer of its
// own for every value and every gradient of one.
func TestPlannedMemory(t *testing.T) {
	g, err := arch.New("resnet8", arch.Options{})
	require.NoError(t, err)
	tr, err := New(g, Config{Batch: 32, Threads: 1})
	require.NoError(t, err)
	s, err := newSchedule(tr.net, &tr.cfg, 1)
	require.NoError(t, err)
	naive := tr.PeakBytes() - s.layout.Size // what lies outside the arena is the same
	for i := range s.n {
		if !s.runs[i] || s.value[i] < 0 {
			continue
		}
		out := tr.net.g.Node(graph.ID(i)).Out
		naive += out.Bytes()
		if s.needs[i] {
			naive += 4 * out.Shape.Elems()
		}
	}
	ratio := float64(tr.PeakBytes()) / float64(naive)
	t.Logf("%d bytes held, %d with a buffer for each: %.3f", tr.PeakBytes(), naive, ratio)
	require.LessOrEqual(t, ratio, 0.35)
}

// TestRedo checks which values are made again: those of a clamped norm whose
// gradients only a convolution's reads, and that they are not kept meanwhile.
func TestRedo(t *testing.T) {
	g, err := arch.New("resnet8", arch.Options{})
	require.NoError(t, err)
	tr, err := New(g, Config{Batch: 4, Threads: 1})
	require.NoError(t, err)
	defer tr.Close()
	s, err := newSchedule(tr.net, &tr.cfg, 1)
	require.NoError(t, err)
	names := map[string]string{}
	for view, r := range s.redos {
		names[g.Node(r.from).Name] = g.Node(r.at).Name
		require.Less(t, s.last[view], s.n, "kept beyond the forward pass")
		require.LessOrEqual(t, s.spans[r.span].First, s.back(r.at)-1)
	}
	require.Equal(t, map[string]string{"bn1": "stack1.conv1", "stack1.bn1": "stack1.conv2", "stack2.bn1": "stack2.conv2", "stack3.bn1": "stack3.conv2"}, names)
	frozen, err := New(g, Config{Batch: 4, Threads: 1, Norm: NormFrozen})
	require.NoError(t, err)
	defer frozen.Close()
	s, err = newSchedule(frozen.net, &frozen.cfg, 1)
	require.NoError(t, err)
	require.Empty(t, s.redos)
}
