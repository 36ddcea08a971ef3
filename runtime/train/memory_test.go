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
