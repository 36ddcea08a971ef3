package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Workers that share the planes of large blocks, all at once or in rounds, give
// the bits of one alone, and rounds take little more room than one alone.
func TestConvWinogradTogether(t *testing.T) {
	op := &Conv{Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}}
	for _, c := range []struct {
		side, ic, oc int
		rounds       bool // planes take long
	}{{28, 192, 480, true}, {28, 480, 192, true}, {26, 96, 96, false}} {
		in := []tensor.Tensor{normalTensor(1, 1, c.side, c.side, c.ic)}
		params := []tensor.Tensor{normalTensor(2, c.oc, 3, 3, c.ic), normalTensor(3, c.oc)}
		p := Prep{In: Specs(in), Params: params, Threads: 1, Choice: Choice{Winograd: 4, Tiles: 49, Weights: WeightsReady}}
		one, err := RunPrepared(op, in, params, &p, nil)
		require.NoError(t, err)
		for _, threads := range []int{2, 3, 5} {
			for _, budget := range []int{0, p.Requests().Scratch * (35 + threads) / 35, p.Requests().Scratch / 2} {
				many := Prep{In: Specs(in), Params: params, Threads: threads, ScratchBudget: budget, Choice: p.Choice}
				s, _, err := op.resolve(Specs(in), Specs(params))
				require.NoError(t, err)
				k := op.prepareWinograd(&many, s)
				require.NotNil(t, k)
				if budget == 0 || budget > p.Requests().Scratch {
					require.Equal(t, c.rounds, k.w.Trail > 1, "%d threads", threads)
				}
				pl := closing(t, threads)
				got, err := RunPrepared(op, in, params, &many, pl)
				pl.Close()
				require.NoError(t, err)
				require.Equal(t, one.Data, got.Data, "%d threads, %d bytes", threads, budget)
				if budget > 0 {
					require.LessOrEqual(t, many.Requests().Scratch, budget)
				}
			}
		}
	}
}

// Blocks are within the limit, and the worker with most has no more rows to
// compute than with blocks alike.
func TestConvWinogradFit(t *testing.T) {
	most := func(k *convWinograd, threads int) (rows int) {
		for b := 0; b < k.w.Blocks(); b += threads {
			rows += k.w.Rows(k.w.BlockTiles(b)) + blockRows
		}
		return rows
	}
	for _, side := range []int{13, 28, 56, 112} {
		for _, threads := range []int{1, 2, 3} {
			for limit := leastRows; limit <= 49; limit++ {
				k := &convWinograd{w: kern.WinogradF32{M: 4, N: 1, H: side, W: side, IC: 64, OH: side, OW: side, OC: 64}}
				k.w.Plan()
				total := k.w.Total()
				limit := min(limit, total)
				k.fit(limit, threads)
				require.LessOrEqual(t, k.w.Tiles, limit)
				got := most(k, threads)
				blocks := roundUp((total+limit-1)/limit, threads)
				k.w.Tiles = (total + blocks - 1) / blocks
				k.w.Plan()
				if alike := most(k, threads); k.w.Tiles >= leastRows {
					require.LessOrEqual(t, got, alike+alike/20, "%d tiles of at most %d, %d threads", total, limit, threads)
				}
			}
		}
	}
}
