package tune

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// small is a network of a 3x3 convolution, a chain and a pointwise one.
func small(t testing.TB, seed uint64) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	b := graph.NewBuilder("small")
	conv := func(name string, x graph.ID, oc, k, groups int) graph.ID {
		w := tensor.New(tensor.F32Spec(oc, k, k, b.Spec(x).Shape.Channels()/groups))
		for i := range w.F32() {
			w.F32()[i] = float32(rng.NormFloat64()) / 8
		}
		return b.Add(name, &ops.Conv{Window: ops.Window{Auto: ops.PadSameUpper}, Groups: groups}, []tensor.Tensor{w}, x)
	}
	y := conv("three", b.Input("x", tensor.F32Spec(1, 33, 34, 20), true), 40, 3, 1)
	y = conv("dw", conv("expand", y, 120, 1, 1), 120, 3, 120)
	b.Output("y", conv("last", conv("project", y, 24, 1, 1), 7, 3, 1))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// output is what a network computes under some options.
func output(t testing.TB, g *graph.Graph, opts ...runtime.Option) ([]float32, []accel.Layer) {
	t.Helper()
	m, err := runtime.New(g, opts...)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(2))
	require.NoError(t, err)
	Noise(s)
	require.NoError(t, s.Run(context.Background()))
	require.Zero(t, testing.AllocsPerRun(2, func() { _ = s.Run(context.Background()) }))
	return append([]float32(nil), s.Output(0).F32()...), s.Layers()
}

// TestAnyChoiceIsValid: whatever is chosen, the result is the definition's.
func TestAnyChoiceIsValid(t *testing.T) {
	g := small(t, 1)
	want, _ := output(t, g, runtime.WithReference())
	exact, _ := output(t, g, runtime.WithExact(), runtime.WithThreads(1))
	rng := rand.New(rand.NewPCG(5, 6))
	pick := func(of ...int) int { return of[rng.IntN(len(of))] }
	seen := map[string]bool{}
	for range 60 {
		choices := map[string]ops.Choice{"no such node": {Winograd: 4}}
		for _, n := range []string{"three", "expand", "dw", "project", "last"} {
			choices[n] = ops.Choice{
				Winograd: pick(-1, 0, 2, 4, 3, -9), Tiles: pick(0, 1, 5, 24, math.MaxInt32, -3), Panels: pick(0, 1, 2, 7),
				Cut: pick(0, 1, 2, -1), Alone: pick(0, 1) == 1, Plain: pick(0, 1) == 1, Weights: pick(0, 1, 2, 3),
			}
		}
		got, layers := output(t, g, runtime.WithChoices(choices), runtime.WithThreads(1))
		require.InDeltaSlice(t, want, got, 2e-4, "%v", choices)
		more, _ := output(t, g, runtime.WithChoices(choices), runtime.WithThreads(3))
		require.Equal(t, got, more, "%v", choices)
		got, _ = output(t, g, runtime.WithChoices(choices), runtime.WithThreads(2), runtime.WithExact())
		require.Equal(t, exact, got, "%v", choices)
		for _, l := range layers {
			seen[strings.Split(l.Path, "/")[0]] = true
		}
	}
	for _, path := range []string{"chain", "igemm", "depthwise", "winograd-f2", "winograd-f4"} {
		require.True(t, seen[path], "%s was never taken", path)
	}
}

func TestMeasure(t *testing.T) {
	g := small(t, 1)
	s := Setting{Threads: 1, Batch: 1, Precision: "f32"}
	steps := 0
	e, err := Measure(context.Background(), g, s, func(p Step) {
		steps++
		require.Equal(t, steps, p.Done)
		require.Equal(t, len(candidates), p.Of)
	})
	require.NoError(t, err)
	require.Equal(t, len(candidates), steps)
	require.Positive(t, e.Before)
	require.LessOrEqual(t, e.After, e.Before)
	require.Equal(t, s, e.Setting)

	m, err := runtime.New(small(t, 2)) // other weights: the same network
	require.NoError(t, err)
	defer m.Close()
	e.Nodes = map[string]ops.Choice{"three": {Winograd: 2, Tiles: 24}, "dw": {Alone: true}}
	f := &File{}
	f.Set(&Entry{Model: e.Model, Machine: e.Machine, Setting: s})
	f.Set(e)
	require.Len(t, f.Entries, 1)
	text, err := f.Encode()
	require.NoError(t, err)
	f, err = Parse(text)
	require.NoError(t, err)
	got, err := f.Choices(m.Graph(), s)
	require.NoError(t, err)
	require.Equal(t, e.Nodes, got)

	for _, other := range []Setting{{Threads: 2, Batch: 1, Precision: "f32"}, {Threads: 1, Batch: 2, Precision: "f32"},
		{Threads: 1, Batch: 1, Precision: "bf16"}, {Threads: 1, Batch: 1, Precision: "f32", Exact: true}} {
		none, err := f.Choices(g, other)
		require.NoError(t, err)
		require.Nil(t, none)
	}
	f.Entries[0].Machine.CPU += "?"
	_, err = f.Choices(m.Graph(), s)
	require.ErrorIs(t, err, ErrStale)
	f.Entries[0].Machine = ThisMachine()
	f.Entries[0].Model = strings.Repeat("0", 32)
	_, err = f.Choices(m.Graph(), s)
	require.ErrorIs(t, err, ErrStale)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Measure(ctx, g, s, nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = Measure(context.Background(), g, Setting{Threads: 1, Precision: "f64"}, nil)
	require.ErrorContains(t, err, "f64")
}

// TestGroups: layers of a chain are compared with the layers that it stands for.
func TestGroups(t *testing.T) {
	a := []accel.Layer{{ID: 1, Path: "x"}, {ID: 4, Path: "chain", Chain: []graph.ID{2, 3}}, {ID: 5, Path: "x"}}
	b := []accel.Layer{{ID: 1, Path: "x"}, {ID: 2}, {ID: 3}, {ID: 4}, {ID: 5, Path: "y"}}
	require.Equal(t, []group{
		{nodes: []graph.ID{1}, a: []int{0}, b: []int{0}},
		{nodes: []graph.ID{2, 3, 4}, a: []int{1}, b: []int{1, 2, 3}, differs: true},
		{nodes: []graph.ID{5}, a: []int{2}, b: []int{4}, differs: true},
	}, groups(a, b))
}

func TestParseErrors(t *testing.T) {
	for _, s := range []string{"", "{", "[]", `{"version":2}`, `{"version":1} {}`, `{"version":1,"entries":[{"nodes":{"x":{"winograd":1.5}}}]}`,
		`{"version":1,"entries":[{"threads":"1"}]}`, strings.Repeat(" ", MaxBytes+1),
		`{"version":1,"entries":[` + strings.Repeat("{},", maxEntries) + `{}]}`} {
		_, err := Parse([]byte(s))
		require.Error(t, err, "%.80s", s)
	}
	f := &File{}
	for i := range 2 * maxEntries {
		f.Set(&Entry{Setting: Setting{Threads: i}})
	}
	require.Len(t, f.Entries, maxEntries)
	require.Equal(t, 2*maxEntries-1, f.Entries[maxEntries-1].Threads)
}

// FuzzParse: bytes from outside are a file or an error, and a file's choices run.
func FuzzParse(f *testing.F) {
	g := small(f, 1)
	m, err := runtime.New(g, runtime.WithThreads(1))
	require.NoError(f, err)
	model := Fingerprint(m.Graph())
	require.NoError(f, m.Close())
	e := &Entry{Model: model, Machine: ThisMachine(), Setting: Setting{Threads: 1, Batch: 1, Precision: "f32"},
		Nodes: map[string]ops.Choice{"three": {Winograd: 2, Tiles: 24, Panels: 2, Cut: 1}, "dw": {Alone: true}}}
	file := &File{}
	file.Set(e)
	text, err := file.Encode()
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"version":1,"entries":[]}`))
	f.Add([]byte(`{"version":1,"entries":[{"nodes":{"x":{"tiles":-9223372036854775808}}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b)
		if err != nil {
			return
		}
		text, err := file.Encode()
		require.NoError(t, err)
		again, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, len(file.Entries), len(again.Entries))
		for _, e := range file.Entries {
			m, err := runtime.New(g, runtime.WithThreads(1), runtime.WithChoices(e.Nodes))
			require.NoError(t, err)
			s, err := m.NewSession()
			require.NoError(t, err)
			require.NoError(t, s.Run(context.Background()))
			m.Close()
			break
		}
	})
}
