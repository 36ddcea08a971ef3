package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvWinogradInt compares exact integer Winograd with the definition: the
// same bytes, on any number of threads, in as little memory as it is told, and
// inside a wider tensor. Where it cannot be exact, or is turned off, the product
// is direct.
func TestConvWinogradInt(t *testing.T) {
	if !kern.WinogradI8Fast() {
		t.Skip("no products of 16-bit pairs")
	}
	r := rand.New(rand.NewPCG(3, 9))
	for i, c := range []struct{ n, h, w, ic, oc, pad int }{{1, 9, 14, 32, 64, 1}, {2, 16, 16, 64, 32, 1}, {1, 8, 30, 64, 96, 0}, {1, 40, 37, 32, 32, 1}} {
		for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
			t.Run(fmt.Sprint(i, d), func(t *testing.T) {
				x := randInt8(r, d, tensor.Affine(0.02, zeroFor(r, d)), c.n, c.h, c.w, c.ic)
				w := randInt8(r, tensor.I8, tensor.Affine(0.01, 0), c.oc, 3, 3, c.ic)
				bias := make([]int32, c.oc)
				for j := range bias {
					bias[j] = int32(r.IntN(20000) - 10000)
				}
				op := &Conv{Window: Window{PadLo: []int{c.pad, c.pad}, PadHi: []int{c.pad, c.pad}}, Out: QuantOut(d, 3, zeroFor(r, d))}
				in, params := []tensor.Tensor{x}, []tensor.Tensor{w, tensor.FromI32(bias, c.oc)}
				want, err := Run(op, in, params)
				require.NoError(t, err)
				run := func(p *Prep) string {
					pl := closing(t, max(1, p.Threads))
					got, err := RunPrepared(op, in, params, p, pl)
					pl.Close()
					require.NoError(t, err)
					require.Equal(t, want.Data, got.Data)
					return p.Requests().Path
				}
				forced := Choice{Winograd: 4}
				for _, threads := range []int{1, 2, 3, 8} {
					require.Equal(t, "winograd-f4/i8", run(&Prep{Threads: threads, Choice: forced}))
					p := &Prep{Threads: threads, Choice: Choice{Winograd: 4, Tiles: 5}}
					require.Equal(t, "winograd-f4/i8/5-tiles", run(p))
				}
				full := &Prep{Threads: 2, Choice: forced}
				run(full)
				less := &Prep{Threads: 2, Choice: forced, Exact: true, ScratchBudget: full.Requests().Scratch * 3 / 4}
				if path := run(less); path == "winograd-f4/i8" {
					require.LessOrEqual(t, less.Requests().Scratch, less.ScratchBudget)
				}
				tight := &Prep{Choice: forced, ScratchBudget: 1000} // what a block takes may lie on the stack
				if path := run(tight); path == "winograd-f4/i8" {
					require.LessOrEqual(t, tight.Requests().Scratch, tight.ScratchBudget)
				} else {
					require.Contains(t, path, "igemm/")
				}
				require.Contains(t, run(&Prep{Choice: forced, MemoryBudget: 36 * c.ic * c.oc}), "igemm/")
				require.Contains(t, run(&Prep{Choice: Choice{Winograd: WinogradNone}}), "igemm/")
				bias[0] = 1 << 25
				want, err = Run(op, in, params)
				require.NoError(t, err)
				require.Contains(t, run(&Prep{Choice: forced}), "igemm/")
				bias[0] = 0
				want, err = Run(op, in, params)
				require.NoError(t, err)
				for _, path := range []string{"winoi8/vnni", "winoi8/avx2"} { // the first leaves the second
					defer cpu.Set(path, false)()
					run(&Prep{Choice: forced})
				}
				require.Contains(t, run(&Prep{Choice: forced}), "igemm/")
			})
		}
	}
}

// TestConvWinogradIntOnStack: blocks of a narrow layer need no scratch.
func TestConvWinogradIntOnStack(t *testing.T) {
	if !kern.WinogradI8Fits(16, 16) {
		t.Skip("panels are wider")
	}
	r := rand.New(rand.NewPCG(7, 3))
	x := randInt8(r, tensor.U8, tensor.Affine(0.02, 3), 2, 18, 23, 16)
	in, params := []tensor.Tensor{x}, []tensor.Tensor{randInt8(r, tensor.I8, tensor.Affine(0.01, 0), 32, 3, 3, 16)}
	op := &Conv{Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Out: QuantOut(tensor.U8, 3, 0)}
	want, err := Run(op, in, params)
	require.NoError(t, err)
	for threads := 1; threads <= 9; threads += 2 {
		p := &Prep{Threads: threads, Choice: Choice{Winograd: 4}, ScratchBudget: 1}
		pl := closing(t, threads)
		got, err := RunPrepared(op, in, params, p, pl)
		pl.Close()
		require.NoError(t, err)
		require.Equal(t, want.Data, got.Data)
		require.Equal(t, "winograd-f4/i8", p.Requests().Path)
		require.Zero(t, p.Requests().Scratch)
	}
}
