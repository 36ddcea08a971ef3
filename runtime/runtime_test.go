package runtime_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// mixed is a network with what the compiler treats specially: a residual, two
// concatenations that need no copying (one of them of two operands of another),
// an operand used twice, depthwise, views, a shared input, two outputs.
func mixed(t testing.TB) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64() / 3)
		}
		return x
	}
	b := graph.NewBuilder("mixed")
	x := b.Input("x", tensor.F32Spec(1, 12, 10, 16), true)
	same := ops.Window{Auto: ops.PadSameUpper}
	relu := func(y graph.ID) graph.ID { return b.Add("", &ops.Unary{Fn: ops.UnaryRelu}, nil, y) }
	conv := func(y graph.ID, oc, k int) graph.ID {
		return b.Add("", &ops.Conv{Window: same}, []tensor.Tensor{random(oc, k, k, b.Spec(y).Shape.Channels()), random(oc)}, y)
	}
	y := relu(conv(x, 24, 3))
	y = relu(b.Add("", &ops.Binary{Fn: ops.BinaryAdd}, nil, conv(relu(conv(y, 24, 3)), 24, 3), y))
	left, right := relu(conv(y, 8, 1)), relu(conv(y, 16, 3))
	cat := b.Add("cat", &ops.Concat{Axis: -1}, nil, left, right)
	deep := b.Add("dw", &ops.Conv{Window: same, Groups: 24}, []tensor.Tensor{random(24, 3, 3, 1)}, cat)
	twice := b.Add("twice", &ops.Concat{Axis: -1}, nil, deep, deep)
	pool := b.Add("pool", &ops.Pool{Window: ops.Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}, Fn: ops.PoolMax}, nil, twice)
	outer := b.Add("outer", &ops.Concat{Axis: -1}, nil, b.Add("inner", &ops.Concat{Axis: -1}, nil, conv(pool, 4, 1), conv(pool, 5, 1)), conv(pool, 6, 3))
	flat := b.Add("flat", &ops.Reshape{Dims: []int{0, -1}}, nil, outer)
	out := b.Add("fc", &ops.Dense{}, []tensor.Tensor{random(7, b.Spec(flat).Shape.Channels()), random(7)}, flat)
	b.Output("p", b.Add("", &ops.Softmax{Axis: -1}, nil, out))
	b.Output("features", outer)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// session makes a session over g with its input drawn.
func session(t testing.TB, g *graph.Graph, batch int, opts ...runtime.Option) *runtime.Session {
	t.Helper()
	m, err := runtime.New(g, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	s, err := m.NewSession(runtime.WithBatch(batch))
	require.NoError(t, err)
	draw(s.Input(0).F32(), 5)
	return s
}

func draw(v []float32, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 6))
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
}

// outputs are copies of all outputs after a run.
func outputs(t testing.TB, s *runtime.Session) [][]float32 {
	t.Helper()
	require.NoError(t, s.Run(context.Background()))
	var out [][]float32
	for i := range s.NumOutputs() {
		out = append(out, append([]float32(nil), s.Output(i).F32()...))
	}
	return out
}

func distance(a, b []float32) float64 {
	var d, n float64
	for i, v := range b {
		e := float64(a[i]) - float64(v)
		d += e * e
		n += float64(v) * float64(v)
	}
	return math.Sqrt(d / max(n, 1e-30))
}

// TestPathsAgree: the chosen kernels give what the plain ones define, and the
// same bits on any number of threads and on every run.
func TestPathsAgree(t *testing.T) {
	g := mixed(t)
	for _, batch := range []int{1, 2, 3} {
		want := outputs(t, session(t, g, batch, runtime.WithReference(), runtime.WithThreads(1)))
		for _, exact := range []bool{false, true} {
			var first [][]float32
			for threads := 1; threads <= 4; threads++ {
				opts, limit := []runtime.Option{runtime.WithThreads(threads)}, 3e-5
				if exact {
					opts, limit = append(opts, runtime.WithExact()), 3e-6
				}
				s := session(t, g, batch, opts...)
				got := outputs(t, s)
				for i := range want {
					require.Less(t, distance(got[i], want[i]), limit, "batch %d output %d", batch, i)
				}
				if first == nil {
					first = got
				}
				require.Equal(t, first, got, "batch %d: bits differ on %d threads", batch, threads)
				require.Equal(t, got, outputs(t, s), "a second run on the same input differs")
			}
		}
	}
}

func TestNoAllocationsAndArena(t *testing.T) {
	g := mixed(t)
	for _, batch := range []int{1, 3} {
		for _, threads := range []int{1, 2} {
			s := session(t, g, batch, runtime.WithThreads(threads))
			ctx := context.Background()
			require.NoError(t, s.Run(ctx))
			require.Zero(t, testing.AllocsPerRun(20, func() {
				if err := s.Run(ctx); err != nil {
					t.Error(err)
				}
			}))
			// This network is tiny: one thread's scratch fits beside its values, a
			// second one's adds a few tiles. Real networks are held to 1.25 on two
			// threads as well, in tests/models_test.go.
			mem := s.Memory()
			extra := float64(threads-1) * (16 << 10)
			require.LessOrEqual(t, float64(mem.Arena), 1.25*float64(mem.LiveSet)+extra, "batch %d, %d threads", batch, threads)
		}
	}
}

// TestManySessions runs sessions of one model at the same time.
func TestManySessions(t *testing.T) {
	m, err := runtime.New(mixed(t), runtime.WithThreads(2))
	require.NoError(t, err)
	defer m.Close()
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := m.NewSession(runtime.WithBatch(1 + k%2))
			if err != nil {
				t.Error(err)
				return
			}
			draw(s.Input(0).F32(), 5)
			want := outputs(t, s)
			for range 10 {
				for i, v := range outputs(t, s) {
					if distance(v, want[i]) != 0 {
						t.Errorf("session %d: output %d changed", k, i)
					}
				}
			}
		}()
	}
	wg.Wait()
}

func TestArenaOfTheCaller(t *testing.T) {
	m, err := runtime.New(mixed(t))
	require.NoError(t, err)
	defer m.Close()
	size, err := m.ArenaSize(1)
	require.NoError(t, err)
	arena := tensor.AlignedBytes(size + 64)
	s, err := m.NewSession(runtime.WithArena(arena[:size]))
	require.NoError(t, err)
	require.NoError(t, s.Run(context.Background()))
	_, err = m.NewSession(runtime.WithArena(arena[:size-1]))
	require.ErrorContains(t, err, "arena")
	_, err = m.NewSession(runtime.WithArena(arena[1:]))
	require.ErrorContains(t, err, "aligned")
}

func TestCancel(t *testing.T) {
	s := session(t, mixed(t), 1)
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, s.Run(ctx))
	cancel()
	require.ErrorIs(t, s.Run(ctx), context.Canceled)
}

func TestErrors(t *testing.T) {
	m, err := runtime.New(mixed(t))
	require.NoError(t, err)
	_, err = m.NewSession(runtime.WithBatch(0))
	require.ErrorContains(t, err, "batch")
	one, err := m.NewSession()
	require.NoError(t, err)
	two, err := m.NewSession()
	require.NoError(t, err)
	require.NoError(t, one.Close())
	require.NoError(t, one.Close())
	require.ErrorIs(t, one.Run(context.Background()), runtime.ErrClosed)
	require.NoError(t, two.Run(context.Background()))
	require.NoError(t, m.Close())
	require.ErrorIs(t, two.Run(context.Background()), runtime.ErrClosed) // weights may be gone
	require.NoError(t, two.Close())
	require.NoError(t, m.Close())
	_, err = m.NewSession()
	require.ErrorIs(t, err, runtime.ErrClosed)
	_, err = runtime.Parse([]byte("no model"))
	require.ErrorIs(t, err, format.ErrMagic)
	_, err = runtime.Open(filepath.Join(t.TempDir(), "absent.teff"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestProfile(t *testing.T) {
	s := session(t, mixed(t), 1)
	ns := s.Profile()
	require.NoError(t, s.Run(context.Background()))
	require.Len(t, ns, len(s.Layers()))
	sum := int64(0)
	for _, v := range ns {
		sum += v
	}
	require.Positive(t, sum)
}

// TestReloading opens, runs and closes a file a thousand times: nothing stays.
func TestReloading(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand models")
	}
	path := filepath.Join(t.TempDir(), "m.teff")
	require.NoError(t, format.WriteFile(path, mixed(t), nil))
	rounds := func(n int) {
		for range n {
			m, err := runtime.Open(path, runtime.WithThreads(2))
			require.NoError(t, err)
			s, err := m.NewSession()
			require.NoError(t, err)
			require.NoError(t, s.Run(context.Background()))
			require.NoError(t, m.Close())
		}
	}
	rounds(200)
	before := resident(t)
	rounds(800)
	require.Less(t, resident(t), before+8<<20, "resident bytes grew")
}

// resident is the process's memory, where the system tells.
func resident(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("this system does not tell how much memory is resident")
	}
	var size, pages int
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

// BenchmarkRun times the mixed network against its plain definition.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name string
		opts []runtime.Option
	}{
		{"fast", []runtime.Option{runtime.WithThreads(1)}},
		{"exact", []runtime.Option{runtime.WithThreads(1), runtime.WithExact()}},
		{"reference", []runtime.Option{runtime.WithThreads(1), runtime.WithReference()}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := session(b, mixed(b), 1, c.opts...)
			for b.Loop() {
				if err := s.Run(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
