package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/kernels"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/randgraph"
	"github.com/teff-ml/teff/tools/arch"
)

// sessionOf is a session of g on a backend, and its model.
func sessionOf(t *testing.T, b accel.Backend, g *graph.Graph, batch int, opts ...runtime.Option) (*runtime.Model, *runtime.Session) {
	t.Helper()
	m, err := runtime.New(g, append(opts, runtime.WithBackend(b), runtime.WithGraphAsIs())...)
	require.NoError(t, err)
	s, err := m.NewSession(runtime.WithBatch(batch))
	require.NoError(t, err)
	return m, s
}

// same runs g on b and by the operators' definitions, and compares, relative to
// each output's largest element.
func same(t *testing.T, b accel.Backend, g *graph.Graph, batch int, within float64, opts ...runtime.Option) {
	t.Helper()
	model, got := sessionOf(t, b, g, batch, opts...)
	cpu, err := runtime.New(g, runtime.WithReference(), runtime.WithGraphAsIs())
	require.NoError(t, err)
	defer cpu.Close()
	want, err := cpu.NewSession(runtime.WithBatch(batch))
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	times := make([]int64, len(got.Layers()))
	for run := range 3 {
		for i := range got.NumInputs() {
			for j := range got.Input(i).F32() {
				v := float32(rng.NormFloat64())
				got.Input(i).F32()[j], want.Input(i).F32()[j] = v, v
			}
		}
		require.NoError(t, want.Run(context.Background()))
		require.NoError(t, got.Run(context.Background()))
		for i := range got.NumOutputs() {
			require.Equal(t, want.Output(i).Spec, got.Output(i).Spec)
			compare(t, want.Output(i).F32(), got.Output(i).F32(), within)
		}
		if run == 1 { // the last one launch by launch
			copy(times, got.Profile())
		}
	}
	require.NoError(t, got.Close())
	require.NoError(t, model.Close())
}

func compare(t *testing.T, want, got []float32, within float64) {
	t.Helper()
	top := 1.0
	for _, v := range want {
		if a := math.Abs(float64(v)); a > top && !math.IsInf(a, 0) {
			top = a
		}
	}
	for i, v := range want {
		ok := v == got[i] || v != v && got[i] != got[i] || math.Abs(float64(v)-float64(got[i])) <= within*top
		require.True(t, ok, "element %d: want %v, got %v", i, v, got[i])
	}
}

func TestOperators(t *testing.T) {
	launched := map[string]int{}
	for i, c := range cases() {
		t.Run(fmt.Sprintf("%d %v", i, c.op.Kind()), func(t *testing.T) {
			d := newFake()
			b, err := open(d)
			require.NoError(t, err)
			g := c.graph(t)
			batch := 1
			if _, err := g.WithBatch(2); err == nil && c.op.Kind() != ops.KindTranspose {
				batch = 2
			}
			same(t, b, g, batch, 2e-5)
			require.NoError(t, b.Close(), "leaks")
			for k, n := range d.launched {
				launched[k] += n
			}
		})
	}
	for _, k := range kernels.Modules()[0].Names {
		if _, ok := fakeKernels[strings.Split(k, "_")[0]]; !ok || strings.HasSuffix(k, "_i8") {
			continue // of training, and of TestIntegers
		}
		require.Positive(t, launched[k], "no case launches %s", k)
	}
}

// TestRandomGraphs: a random network either runs as the CPU does, or the error
// names a node.
func TestRandomGraphs(t *testing.T) {
	ran := 0
	for seed := range uint64(150) {
		g, err := randgraph.New(seed, randgraph.Options{})
		require.NoError(t, err)
		d := newFake()
		b, err := open(d)
		require.NoError(t, err)
		if g, err = passes.Infer(g); err != nil {
			t.Fatal(err)
		}
		_, err = b.Compile(g, accel.Options{})
		if err != nil {
			var n *graph.NodeError
			require.ErrorAs(t, err, &n, "seed %d", seed)
			require.Error(t, b.Supports(g, n.ID), "seed %d", seed)
		} else {
			ran++
			for i := range g.Len() {
				require.NoError(t, b.Supports(g, graph.ID(i)))
			}
			batch := 2
			if _, err := g.WithBatch(2); err != nil {
				batch = 1
			}
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { same(t, b, g, batch, 1e-4) })
		}
		require.NoError(t, b.Close(), "seed %d leaks", seed)
	}
	require.Greater(t, ran, 20, "hardly any random network runs")
	t.Logf("%d of 150 random networks run", ran)
}

func small(t *testing.T, name string, size int) *graph.Graph {
	t.Helper()
	g, err := arch.New(name, arch.Options{Size: size, Classes: 10, Seed: 1})
	require.NoError(t, err)
	return g
}

// TestNetworks runs whole architectures, folded as models are.
func TestNetworks(t *testing.T) {
	for name, size := range map[string]int{"resnet8": 16, "mobilenetv1": 32, "mobilenetv2": 32, "squeezenet": 48, "dscnn": 0, "glyphnet": 0, "autoencoder": 0} {
		t.Run(name, func(t *testing.T) {
			g, err := passes.Infer(small(t, name, size))
			require.NoError(t, err)
			b, err := open(newFake())
			require.NoError(t, err)
			same(t, b, g, 1, 1e-4)
			require.NoError(t, b.Close())
		})
	}
}

// TestUnsupported: what no kernel does is named.
func TestUnsupported(t *testing.T) {
	img := [][]int{{1, 7, 6, 4}}
	for why, c := range map[string]opCase{
		"3 dimensions":        {&ops.Conv{}, [][]int{{1, 5, 5, 5, 2}}, [][]int{{3, 2, 2, 2, 2}}},
		"ArgMax":              {&ops.ArgMax{Axis: -1}, img, nil},
		"by a norm":           {&ops.GlobalPool{Fn: ops.PoolLp}, img, nil},
		"function 11":         {&ops.Conv{Act: ops.Act{Fn: ops.UnaryMish}}, img, [][]int{{3, 2, 2, 4}}},
		"i64[":                {&ops.Pool{Window: ops.Window{Kernel: []int{2, 2}}, Output: 1}, img, nil},
		"not known before":    {&ops.BatchNorm{}, [][]int{{1, 7, 6, 4}, {4}, {4}, {4}, {4}}, nil},
		"padding mode":        {&ops.Pad{Lo: []int{0, 1, 0, 0}, Hi: []int{0, 0, 0, 0}, Mode: ops.PadReflect}, img, nil},
		"resizing in mode":    {&ops.Resize{Mode: ops.ResizeCubic, Sizes: []int{0, 9, 9, 0}}, img, nil},
		"swish with a factor": {&ops.Unary{Fn: ops.UnarySwish, A: 2}, img, nil},
		"with f32, i8 and u8": {&ops.Cast{To: tensor.I32}, img, nil},
	} {
		d := newFake()
		b, err := open(d)
		require.NoError(t, err)
		g := c.graph(t)
		m, err := runtime.New(g, runtime.WithBackend(b), runtime.WithGraphAsIs())
		require.NoError(t, err)
		_, err = m.NewSession()
		require.ErrorContains(t, err, `"it"`)
		require.ErrorContains(t, err, why)
		_, err = b.Compile(g, accel.Options{})
		require.ErrorContains(t, err, why)
		require.NoError(t, m.Close())
		require.NoError(t, b.Close())
	}
}

// TestOutOfMemory: whichever allocation fails, nothing stays allocated that the
// backend does not hold for later, and nothing at all after Close.
func TestOutOfMemory(t *testing.T) {
	g, err := passes.Infer(small(t, "resnet8", 16))
	require.NoError(t, err)
	for n := 1; ; n++ {
		d := newFake()
		d.failAt = n
		b, err := open(d)
		require.NoError(t, err)
		p, err := b.Compile(g, accel.Options{})
		if err != nil {
			require.ErrorIs(t, err, errMemory)
			require.NoError(t, d.leaks(), "allocation %d", n)
			require.NoError(t, b.Close())
			continue
		}
		held := len(d.memory)
		s, err := p.NewState(nil)
		if err == nil {
			require.Greater(t, n, 5)
			require.Equal(t, d.allocs, n-1)
			require.ErrorContains(t, b.Close(), "still open")
			require.NoError(t, s.Close())
			require.NoError(t, s.Close())
			require.NoError(t, b.Close())
			return
		}
		require.ErrorIs(t, err, errMemory)
		require.Len(t, d.memory, held)
		require.Empty(t, d.pinned)
		require.NoError(t, b.Close(), "allocation %d", n)
	}
}

// TestSharedWeights: a second program and second session upload nothing again.
func TestSharedWeights(t *testing.T) {
	g, err := passes.Infer(small(t, "dscnn", 0))
	require.NoError(t, err)
	d := newFake()
	b, err := open(d)
	require.NoError(t, err)
	m, err := runtime.New(g, runtime.WithBackend(b), runtime.WithGraphAsIs())
	require.NoError(t, err)
	s1, err := m.NewSession()
	require.NoError(t, err)
	held := b.bytes
	require.Positive(t, held)
	s2, err := m.NewSession(runtime.WithBatch(3))
	require.NoError(t, err)
	require.Equal(t, held, b.bytes)
	require.Len(t, d.memory, 3)
	require.NoError(t, s1.Close())
	require.NoError(t, s2.Close())
	require.NoError(t, m.Close())
	require.Empty(t, d.memory, "a model gives its weights back")
	require.False(t, d.closed, "the backend is the caller's")
	require.NoError(t, b.Close())
	require.True(t, d.closed)
	_, err = b.Compile(g, accel.Options{})
	require.ErrorIs(t, err, ErrClosed)
}

// TestRunAllocatesNothing and a lost device fails every run after.
func TestRunAllocatesNothing(t *testing.T) {
	g, err := passes.Infer(small(t, "resnet8", 16))
	require.NoError(t, err)
	d := newFake()
	d.idle = true
	b, err := open(d)
	require.NoError(t, err)
	_, s := sessionOf(t, b, g, 1)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if s.Run(ctx) != nil {
			panic("run")
		}
	}))
	cancelled, stop := context.WithCancel(ctx)
	stop()
	require.ErrorIs(t, s.Run(cancelled), context.Canceled)
	require.NoError(t, s.Run(ctx))
	d.lost = true
	require.ErrorIs(t, s.Run(ctx), errLost)
	d.lost = false
	require.ErrorIs(t, s.Run(ctx), errLost, "a lost device does not come back")
	require.NoError(t, s.Close())
	require.Error(t, s.Run(ctx))
	require.NoError(t, b.Close())
}

// TestOpenWithout says what is missing in a default build.
func TestOpenWithout(t *testing.T) {
	b, err := Open()
	if err == nil {
		require.NoError(t, b.(interface{ Close() error }).Close())
		t.Skip("there is a device")
	}
	require.True(t, errors.Is(err, accel.ErrUnavailable), "%v", err)
}

// TestOpenTooOld: a device that no text is for is refused at once, one that has a
// text gets those that its programs need and no others.
func TestOpenTooOld(t *testing.T) {
	d := newFake()
	d.capable = [2]int{6, 1}
	_, err := open(d)
	require.ErrorContains(t, err, "fake has compute capability 6.1, the kernels need 7.0")
	require.True(t, d.closed)
	d = newFake()
	b, err := open(d)
	require.NoError(t, err)
	require.Empty(t, d.modules)
	require.NoError(t, b.Close())
}
