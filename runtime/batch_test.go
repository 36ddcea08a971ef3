package runtime

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/randgraph"
)

// Random networks give for groups of images what the reference gives for all, wherever they are cut; the same bits for any
// number of workers, and nothing allocated.
func TestBatchByGroups(t *testing.T) {
	cuts := 0
	for seed := range uint64(60) {
		g, err := randgraph.New(seed, randgraph.Options{})
		require.NoError(t, err)
		const batch = 6
		h, err := g.WithBatch(batch)
		if err != nil {
			continue
		}
		one, err := g.WithBatch(1)
		require.NoError(t, err)
		in := randgraph.Inputs(h, seed)
		want, err := randgraph.Eval(h, in)
		require.NoError(t, err)
		limit := apartUntil(h, one)
		for _, at := range []int{limit, 1 + limit*2/3} {
			if at > limit {
				continue
			}
			for _, group := range []int{1, 2} {
				var first []tensor.Tensor
				for _, threads := range []int{1, 4, 5, 13} {
					name := fmt.Sprintf("seed %d, cut at %d of %d, %d images a group, %d threads", seed, at, h.Len(), group, threads)
					got := runGroups(t, name, h, batchCut{at, group}, threads, in)
					if got == nil {
						break
					}
					for i := range want {
						require.LessOrEqual(t, randgraph.Distance(want[i], got[i]), 1e-4, "%s, output %d\n%v", name, i, h)
					}
					if first == nil {
						first = got
					}
					for i := range want {
						require.Equal(t, first[i].Data, got[i].Data, "%s, output %d", name, i)
					}
				}
				cuts++
			}
		}
	}
	require.Greater(t, cuts, 100, "most networks keep images apart")
}

func runGroups(t *testing.T, name string, g *graph.Graph, cut batchCut, threads int, in []tensor.Tensor) (out []tensor.Tensor) {
	t.Helper()
	pool := ops.NewWorkers(threads)
	defer pool.Close()
	p, err := compileBatch(g, cut, accel.Options{Threads: threads}, new(ops.PackCache), pool)
	require.NoError(t, err, name)
	if p == nil {
		return nil
	}
	defer p.Close()
	st, err := p.NewState(nil)
	require.NoError(t, err, name)
	times := make([]int64, len(p.Layers()))
	st.Times(times)
	for i, x := range in {
		require.Equal(t, len(x.Data), copy(st.Input(i).Data, x.Data), name)
	}
	for range 2 { // the second run's memory is not cleared
		require.NoError(t, st.Run(context.Background()), name)
	}
	for i := range g.Outputs() {
		out = append(out, st.Output(i).Clone())
	}
	allocs := 1.0
	for try := 0; try < 20 && allocs > 0; try++ { // Go itself allocates now and then, as workers wait; what a run does is in every try
		allocs = testing.AllocsPerRun(1, func() { _ = st.Run(context.Background()) })
	}
	require.Zero(t, allocs, name)
	var macs, want int64
	for i, l := range p.Layers() {
		require.Positive(t, times[i], "%s: %s", name, l.Name)
		macs += l.MACs
	}
	for i := range g.Len() {
		want += g.MACs(graph.ID(i))
	}
	require.Equal(t, want, macs, name)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, st.Run(ctx), context.Canceled, name)
	return out
}

// Wide layers go image by image, and together what has more weights than values; small networks go as a whole.
func TestCutBatch(t *testing.T) {
	net := func(side int) *graph.Graph {
		b := graph.NewBuilder("net")
		x := b.Input("x", tensor.Spec{DType: tensor.F32, Shape: tensor.Of(1, side, side, 32)}, true)
		weights := func(dims ...int) []tensor.Tensor {
			return []tensor.Tensor{tensor.New(tensor.Spec{DType: tensor.F32, Shape: tensor.Of(dims...)})}
		}
		x = b.Add("wide", &ops.Conv{Window: ops.Window{Kernel: []int{1, 1}, Stride: []int{1, 1}}}, weights(32, 1, 1, 32), x)
		x = b.Add("pool", &ops.Pool{Window: ops.Window{Kernel: []int{side, side}, Stride: []int{1, 1}}}, nil, x)
		x = b.Add("narrow", &ops.Conv{Window: ops.Window{Kernel: []int{1, 1}, Stride: []int{1, 1}}}, weights(2048, 1, 1, 32), x)
		b.Output("y", x)
		g, err := b.Build()
		require.NoError(t, err)
		g, err = g.WithBatch(8)
		require.NoError(t, err)
		return g
	}
	require.Equal(t, batchCut{3, 1}, cutBatch(net(64)))
	require.Zero(t, cutBatch(net(8)).at)
	g, pool := net(64), ops.NewWorkers(2)
	defer pool.Close()
	p, err := byGroups(g, accel.Options{Threads: 2}, new(ops.PackCache), pool)
	require.NoError(t, err)
	all, err := compileCPU(g, accel.Options{Threads: 2}, g.ParamBytes(), false, new(ops.PackCache), pool)
	require.NoError(t, err)
	require.Less(t, p.ArenaSize(), all.ArenaSize())
	require.LessOrEqual(t, p.Memory().LiveSet, p.ArenaSize())
	for _, l := range p.Layers() {
		require.LessOrEqual(t, l.Live, p.ArenaSize(), l.Name)
	}
}
