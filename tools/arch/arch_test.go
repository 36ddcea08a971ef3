package arch

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// TestSizes compares parameters and multiply-adds with what torchvision and
// MLPerf Tiny say of their networks; the latter, being Keras, counts running
// statistics, too.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name   string
		params float64 // millions
		macs   float64 // millions
		stats  bool
	}{
		{"resnet18", 11.690, 1814, false},
		{"resnet50", 25.557, 4089, false},
		{"vgg11", 132.863, 7609, false},
		{"mobilenetv2", 3.505, 301, false},
		{"squeezenet", 1.2355, 349, false},
		{"resnet8", 0.078666, 12.5, true},
		{"dscnn", 0.024908, 2.66, true},
		{"mobilenetv1", 0.219058, 7.5, true}, // MLPerf's 221,794 less 2,736 biases that batch norm cancels
		{"autoencoder", 0.269992, 0.264, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.params > 20 && testing.Short() {
				t.Skip("large")
			}
			g, err := New(c.name, Options{})
			require.NoError(t, err)
			var macs int64
			params := 0
			for i := range g.Len() {
				macs += g.MACs(graph.ID(i))
				n := g.Node(graph.ID(i))
				for j, p := range n.Params {
					if n.Op.Kind() == ops.KindBatchNorm && j >= 2 && !c.stats {
						continue
					}
					params += p.Shape.Elems()
				}
			}
			require.InEpsilon(t, c.params, float64(params)/1e6, 0.005, "parameters")
			require.InEpsilon(t, c.macs, float64(macs)/1e6, 0.01, "multiply-adds")
		})
	}
}

// TestSeeds: equal seeds give equal weights, others do not.
func TestSeeds(t *testing.T) {
	for _, name := range Names() {
		if name == "vgg11" || name == "resnet50" || name == "resnet18" {
			continue // the same code, many more numbers
		}
		weights := func(seed uint64) (b []byte) {
			g, err := New(name, Options{Seed: seed})
			require.NoError(t, err, name)
			for i := range g.Len() {
				for _, p := range g.Node(graph.ID(i)).Params {
					b = append(b, p.Data...)
				}
			}
			return b
		}
		once, again := weights(3), weights(3)
		require.True(t, bytes.Equal(once, again), name)
		require.False(t, bytes.Equal(once, weights(4)), name)
	}
}

// TestOptions: sizes that were asked for are there; those that cannot be are
// errors.
func TestOptions(t *testing.T) {
	for _, name := range Names() {
		if name == "vgg11" || name == "autoencoder" {
			continue
		}
		g, err := New(name, Options{Classes: 3, Width: 0.5})
		require.NoError(t, err, name)
		require.Equal(t, 3, g.Node(g.Outputs()[0].ID).Out.Shape.Channels(), name)
	}
	for _, o := range []Options{{Classes: -1}, {Size: -1}, {Width: -1}, {Classes: 1 << 30}, {Size: 1 << 20}, {Width: 1e9}, {Width: math.NaN()}} {
		_, err := New("resnet8", o)
		require.ErrorContains(t, err, "resnet8")
	}
	_, err := New("vgg11", Options{Size: 1 << 14}) // 2 TB of dense weights
	require.ErrorContains(t, err, "too many")
	require.Equal(t, "width", Ignored("resnet8", Options{Size: 8, Width: 2}))
	require.Equal(t, "", Ignored("mobilenetv1", Options{Size: 8, Width: 2, Classes: 3}))
	_, err = New("alexnet", Options{})
	require.ErrorContains(t, err, "resnet18")
	for _, name := range Names() { // too small an image is an error or a network, no panic
		if name == "vgg11" || name == "resnet50" {
			continue
		}
		_, _ = New(name, Options{Size: 1})
	}
}
