package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/randgraph"
	"github.com/teff-ml/teff/tools/arch"
)

// sessionOf is a session of g on a backend, and its model.
func sessionOf(t *testing.T, b accel.Backend, g *graph.Graph, batch int) (*runtime.Model, *runtime.Session) {
	t.Helper()
	m, err := runtime.New(g, runtime.WithBackend(b), runtime.WithGraphAsIs())
	require.NoError(t, err)
	s, err := m.NewSession(runtime.WithBatch(batch))
	require.NoError(t, err)
	return m, s
}

// same runs g on b and by the operators' definitions, and compares, relative to
// each output's largest element.
func same(t *testing.T, b accel.Backend, g *graph.Graph, batch int, within float64) {
	t.Helper()
	model, got := sessionOf(t, b, g, batch)
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

// op is a case: one operator on random operands.
type opCase struct {
	op     ops.Op
	in     [][]int // the first is batched
	params [][]int
}

func cases() []opCase {
	win := func(k, s, p int) ops.Window {
		return ops.Window{Kernel: []int{k, k}, Stride: []int{s, s}, PadLo: []int{p, p}, PadHi: []int{p, p}}
	}
	act := func(fn ops.UnaryFn) ops.Act { return ops.Act{Fn: fn, A: 0.1, B: 0.4} }
	img := [][]int{{1, 7, 6, 4}}
	cs := []opCase{
		{&ops.Conv{}, img, [][]int{{5, 3, 2, 4}}},
		{&ops.Conv{Window: win(3, 2, 1), Act: ops.Relu}, img, [][]int{{70, 3, 3, 4}, {70}}},
		{&ops.Conv{Window: win(3, 1, 1), Act: ops.Clip(-0.5, 0.7), Residual: true}, [][]int{{1, 7, 6, 4}, {1, 7, 6, 5}}, [][]int{{5, 3, 3, 4}}},
		{&ops.Conv{Window: win(3, 1, 1), Act: act(ops.UnaryHardSwish), Residual: true}, [][]int{{1, 7, 6, 4}, {1, 7, 6, 5}}, [][]int{{5, 3, 3, 4}, {5}}},
		{&ops.Conv{Window: win(3, 1, 1), Groups: 2, Act: act(ops.UnaryElu)}, img, [][]int{{6, 3, 3, 2}, {6}}},
		{&ops.Conv{Window: win(3, 2, 1), Groups: 4}, img, [][]int{{8, 3, 3, 1}, {8}}},
		{&ops.Conv{Window: ops.Window{Auto: ops.PadSameUpper, Dilation: []int{2, 1}}, Groups: 4, Act: ops.Relu}, img, [][]int{{4, 3, 3, 1}}},
		{&ops.Conv{Window: ops.Window{Stride: []int{2}, PadLo: []int{1}, PadHi: []int{2}}}, [][]int{{1, 9, 3}}, [][]int{{4, 3, 3}, {4}}},
		{&ops.Conv{Window: ops.Window{Stride: []int{1, 2, 1}}}, [][]int{{1, 3, 5, 4, 2}}, [][]int{{4, 1, 3, 2, 2}}},
		{&ops.Conv{}, [][]int{{1, 7, 6, 4}, {3, 2, 2, 4}}, nil},
		{&ops.Dense{Act: ops.Relu}, [][]int{{1, 30}}, [][]int{{70, 30}, {70}}},
		{&ops.Dense{Residual: true, Act: act(ops.UnarySigmoid)}, [][]int{{1, 3, 10}, {1, 3, 7}}, [][]int{{7, 10}}},
		{&ops.Pool{Window: win(3, 2, 1)}, img, nil},
		{&ops.Pool{Window: win(3, 2, 1), Fn: ops.PoolAvg, Act: ops.Relu}, img, nil},
		{&ops.Pool{Window: ops.Window{Kernel: []int{3, 3}, Stride: []int{2, 2}, PadLo: []int{0, 1}, PadHi: []int{1, 0}, Ceil: true}, Fn: ops.PoolAvg, CountIncludePad: true}, [][]int{{1, 7, 8, 3}}, nil},
		{&ops.Pool{Window: ops.Window{Kernel: []int{3}, Ceil: true, Stride: []int{2}}}, [][]int{{1, 8, 3}}, nil},
		{&ops.GlobalPool{Fn: ops.PoolAvg}, img, nil},
		{&ops.GlobalPool{Fn: ops.PoolMax}, [][]int{{1, 3, 4, 5, 2}}, nil},
		{&ops.Softmax{Axis: -1}, [][]int{{1, 3, 300}}, nil},
		{&ops.Softmax{Axis: 1, Log: true, Beta: 2}, img, nil},
		{&ops.Softmax{Axis: 1, Flatten: true, Beta: 0.5}, img, nil},
		{&ops.PRelu{}, img, [][]int{{4}}},
		{&ops.PRelu{}, img, [][]int{{1}}},
		{&ops.BatchNorm{Eps: 1e-3}, img, [][]int{{4}, {4}, {4}, {4}}},
		{&ops.Concat{Axis: -1}, [][]int{{1, 7, 6, 4}, {1, 7, 6, 3}, {1, 7, 6, 1}}, nil},
		{&ops.Concat{Axis: 1}, [][]int{{1, 7, 4}, {1, 2, 4}}, nil},
		{&ops.Slice{Starts: []int{5, -1}, Ends: []int{1, 100}, Axes: []int{1, 3}, Steps: []int{-2, 1}}, img, nil},
		{&ops.Pad{Lo: []int{0, 1, -2, 0}, Hi: []int{0, -1, 3, 2}, Value: 1.5}, img, nil},
		{&ops.Pad{Lo: []int{0, 9, 0}, Hi: []int{0, -8, 0}, Value: 2}, [][]int{{1, 8, 2}}, nil},
		{&ops.Transpose{Perm: []int{0, 3, 1, 2}}, img, nil},
		{&ops.Transpose{}, [][]int{{1, 2, 3, 4, 5, 6}}, nil},
		{&ops.Expand{Dims: []int{1, 4, 5}}, [][]int{{1, 4, 1}}, nil},
		{&ops.Reshape{Dims: []int{0, -1}}, img, nil},
		{&ops.Identity{}, img, nil},
		{&ops.Dropout{Rate: 0.5}, img, nil},
	}
	for fn := range unaryKinds {
		cs = append(cs, opCase{&ops.Unary{Fn: fn, A: map[bool]float32{true: 1, false: 0.2}[fn == ops.UnarySwish], B: 0.4}, img, nil})
	}
	for fn := range binaryKinds {
		cs = append(cs, opCase{&ops.Binary{Fn: fn, Act: ops.Relu}, [][]int{{1, 7, 6, 4}, {6, 1}}, nil},
			opCase{&ops.Binary{Fn: fn, Act: act(ops.UnaryTanh)}, img, [][]int{{1, 7, 1, 4}}})
	}
	cs = append(cs, opCase{&ops.Binary{Fn: ops.BinarySquaredDiff}, img, [][]int{{4}}})
	for _, co := range []ops.ResizeCoord{ops.CoordHalfPixel, ops.CoordPytorchHalfPixel, ops.CoordAlignCorners, ops.CoordAsymmetric} {
		for _, sz := range [][]int{{0, 14, 12, 0}, {0, 3, 13, 0}, {0, 1, 9, 0}} {
			for r := range ops.RoundCeil + 1 {
				cs = append(cs, opCase{&ops.Resize{Coord: co, Round: r, Sizes: sz}, img, nil})
			}
			cs = append(cs, opCase{&ops.Resize{Mode: ops.ResizeLinear, Coord: co, Sizes: sz}, img, nil})
		}
	}
	return cs
}

// graph is the case's operator in a network of its own.
func (c opCase) graph(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	b := graph.NewBuilder("case")
	var in []graph.ID
	for i, d := range c.in {
		in = append(in, b.Input(fmt.Sprint("in", i), tensor.F32Spec(d...), d[0] == 1))
	}
	var params []tensor.Tensor
	for _, d := range c.params {
		p := tensor.New(tensor.F32Spec(d...))
		for i := range p.F32() {
			p.F32()[i] = float32(rng.Float64() + 0.1)
		}
		params = append(params, p)
	}
	b.Output("y", b.Add("it", c.op, params, in...))
	g, err := b.Build()
	require.NoError(t, err, "%#v", c.op)
	return g
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
	for k := range fakeKernels {
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
		"ConvTranspose":       {&ops.ConvTranspose{}, img, [][]int{{4, 2, 2, 3}}},
		"by a norm":           {&ops.GlobalPool{Fn: ops.PoolLp}, img, nil},
		"function 11":         {&ops.Conv{Act: ops.Act{Fn: ops.UnaryMish}}, img, [][]int{{3, 2, 2, 4}}},
		"i64[":                {&ops.Pool{Window: ops.Window{Kernel: []int{2, 2}}, Output: 1}, img, nil},
		"not known before":    {&ops.BatchNorm{}, [][]int{{1, 7, 6, 4}, {4}, {4}, {4}, {4}}, nil},
		"padding mode":        {&ops.Pad{Lo: []int{0, 1, 0, 0}, Hi: []int{0, 0, 0, 0}, Mode: ops.PadReflect}, img, nil},
		"resizing in mode":    {&ops.Resize{Mode: ops.ResizeCubic, Sizes: []int{0, 9, 9, 0}}, img, nil},
		"swish with a factor": {&ops.Unary{Fn: ops.UnarySwish, A: 2}, img, nil},
		"f32 only":            {&ops.Cast{To: tensor.I32}, img, nil},
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
