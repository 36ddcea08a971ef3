package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"conv1", "conv1", true}, {"conv1", "conv10", false}, {"conv*", "conv10", true}, {"*", "", true}, {"", "", true},
		{"backbone.*", "backbone.0/conv", true}, {"backbone.*", "head", false}, {"*.bias", "a.bias", true},
		{"a*b*c", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"a*a", "a", false}, {"**", "x", true},
	} {
		require.Equal(t, c.want, matches(c.pattern, c.name), c)
	}
}

// TestLayerRates: layers learn at the rates that --lr-scale says, or not at all, and
// training goes on from a checkpoint to the same bytes.
func TestLayerRates(t *testing.T) {
	dir, fresh, data := fixture(t, "200")
	out := filepath.Join(dir, "out.teff")
	args := func(more ...string) []string {
		return append([]string{"train", fresh, "--data", data, "-o", out, "--epochs", "2"}, more...)
	}
	weights := func(path string) map[string][]float32 {
		f, err := format.Open(path)
		require.NoError(t, err)
		defer f.Close()
		m := map[string][]float32{}
		for i := range f.Graph.Len() {
			n := f.Graph.Node(graph.ID(i))
			for j, p := range n.Params {
				if j < 2 { // statistics change with what comes before
					m[n.Name] = append(m[n.Name], p.Clone().F32()...)
				}
			}
		}
		return m
	}
	before := weights(fresh)
	m := object(t, "epochs trains", args("--lr-scale", "*=0.1", "--lr-scale", "conv1=0", "--lr-scale", "fc=1")...)
	require.NotContains(t, m["trains"], "conv1.0")
	require.Contains(t, m["trains"], "fc.0")
	after := weights(out)
	require.Equal(t, before["conv1"], after["conv1"])
	require.NotEqual(t, before["fc"], after["fc"])
	require.NotEqual(t, before["bn1"], after["bn1"])
	require.Contains(t, ok(t, args("--lr-scale", "layer*=0.5")...), "(layer*=0.5)")

	// A trained network's layers, not its head alone, are what the flag speaks of.
	m = object(t, "trains", "train", out, "--data", data, "-o", filepath.Join(dir, "again.teff"), "--epochs", "1", "--lr-scale", "layer1.*=0.1")
	require.Contains(t, m["trains"], "conv1.0")
	fails(t, "no layer that could learn", "train", out, "--data", data, "-o", filepath.Join(dir, "again.teff"), "--epochs", "1", "--lr-scale", "layer1.*=0.1", "--what", "head")
	fails(t, "no layer that could learn", args("--lr-scale", "backbone.*=0.1")...)
	fails(t, "no layer that could learn", args("--no-decay", "backbone.*")...)
	for _, bad := range []string{"x", "=1", "x=-1", "x=nan", "x=inf", "x=1=y", "x=1e99"} {
		misused(t, "PATTERN=X", args("--lr-scale", bad)...)
	}

	// What decays is smaller; what does not is as without decay.
	ok(t, args("--weight-decay", "0.1")...)
	decayed := weights(out)
	ok(t, args("--weight-decay", "0.1", "--no-decay", "*")...)
	kept := weights(out)
	ok(t, args("--weight-decay", "0")...)
	require.Equal(t, weights(out), kept)
	require.NotEqual(t, decayed, kept)

	scaled := []string{"--lr-scale", "*=0.2", "--lr-scale", "fc=1", "--schedule", "constant"}
	ok(t, args(scaled...)...)
	whole, err := os.ReadFile(out)
	require.NoError(t, err)
	resumed := append(scaled, "--checkpoint", filepath.Join(dir, "checkpoint"), "--resume")
	ok(t, append(args(resumed...), "--epochs", "1")...)
	require.Contains(t, ok(t, args(resumed...)...), "going on from")
	parts, err := os.ReadFile(out)
	require.NoError(t, err)
	require.True(t, string(whole) == string(parts))
}
