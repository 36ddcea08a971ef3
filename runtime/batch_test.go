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
	require.Zero(t, testing.AllocsPerRun(1, func() { _ = st.Run(context.Background()) }), name)
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
