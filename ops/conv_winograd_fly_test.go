package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/switches"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConvWinogradFly checks the convolution whose weights are transformed while
// they are used against the direct product: the same bits on any number of
// threads, in the room that there is, and less memory than with transformed
// weights. Where these are small, or images large, nothing changes.
func TestConvWinogradFly(t *testing.T) {
	defer switches.As(cpu.Intel)()
	if !cpu.Enabled("winofly/avx512") || !kern.WinogradFlyPays(16) {
		t.Skip("not here")
	}
	op := &Conv{Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: Act{Fn: UnaryRelu}, Residual: true}
	run := func(n, side, ic, oc int, p Prep) (tensor.Tensor, Requests) {
		in := []tensor.Tensor{normalTensor(1, n, side, side, ic), normalTensor(4, n, side, side, oc)}
		params := []tensor.Tensor{normalTensor(2, oc, 3, 3, ic), normalTensor(3, oc)}
		pl := closing(t, max(1, p.Threads))
		defer pl.Close()
		got, err := RunPrepared(op, in, params, &p, pl)
		require.NoError(t, err)
		return got, p.Requests()
	}
	for _, c := range []struct {
		n, side, oc int
		fly, ready  string
	}{{1, 7, 144, "fly/", "f2/"}, {2, 7, 144, "fly/", "f2/"}, {3, 7, 448, "fly32/", "f2/"}, {1, 14, 224, "fly32/", "f4/"}} {
		exact, _ := run(c.n, c.side, 160, c.oc, Prep{Exact: true})
		first, plain := run(c.n, c.side, 160, c.oc, Prep{})
		require.Contains(t, plain.Path, "winograd-f4/"+c.fly)
		require.Less(t, relative(first.F32(), exact.F32()), 1e-5)
		_, ready := run(c.n, c.side, 160, c.oc, Prep{Choice: Choice{Weights: WeightsReady}})
		require.Contains(t, ready.Path, "winograd-"+c.ready)
		require.Less(t, plain.Scratch, ready.Scratch)
		for threads := 2; threads <= 5; threads++ {
			got, _ := run(c.n, c.side, 160, c.oc, Prep{Threads: threads})
			require.Equal(t, first.Data, got.Data, "%d threads", threads)
			got, tight := run(c.n, c.side, 160, c.oc, Prep{Threads: threads, ScratchBudget: plain.Scratch / 2, FormBudget: plain.Scratch})
			require.Equal(t, first.Data, got.Data, "%d threads, little room", threads)
			require.Contains(t, tight.Path, "winograd-f4/fly", "what rounds must not depend on threads")
		}
		_, small := run(c.n, c.side, 160, c.oc, Prep{FormBudget: plain.Scratch - 1})
		require.Contains(t, small.Path, "winograd-"+c.ready)
		_, small = run(c.n, c.side, 160, c.oc, Prep{ScratchBudget: plain.Scratch, FormBudget: plain.Scratch})
		require.Equal(t, plain, small)
	}
	for _, c := range [][4]int{{1, 7, 64, 64}, {1, 7, 256, 250}, {3, 7, 160, 144}, {1, 28, 128, 128}, {1, 14, 256, 240}, {1, 13, 64, 256}} {
		_, r := run(c[0], c[1], c[2], c[3], Prep{})
		require.NotContains(t, r.Path, "fly", c)
	}
	_, r := run(1, 28, 128, 128, Prep{MemoryBudget: 2200 << 10})
	require.Contains(t, r.Path, "fly32")
	_, r = run(1, 28, 128, 128, Prep{MemoryBudget: 1200 << 10})
	require.NotContains(t, r.Path, "winograd")
	_, r = run(1, 9, 32, 16, Prep{Choice: Choice{Weights: WeightsPlain}})
	require.Contains(t, r.Path, "fly")
}

// TestConvWinogradFlyCores: on AMD's cores few tiles go so in place of pairs, more go by pairs, and both are right.
func TestConvWinogradFlyCores(t *testing.T) {
	if !cpu.Enabled("winofly/avx512") {
		t.Skip("not here")
	}
	op := &Conv{Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}}
	for _, core := range []string{cpu.Zen4, cpu.Zen5} {
		for _, c := range []struct {
			side int
			path string
		}{{7, "winograd-f4/fly/"}, {14, "winograd-f4/pairs/"}} {
			in, params := []tensor.Tensor{normalTensor(1, 1, c.side, c.side, 320)}, []tensor.Tensor{normalTensor(2, 320, 3, 3, 320), normalTensor(3, 320)}
			exact, err := RunPrepared(op, in, params, &Prep{Exact: true}, nil)
			require.NoError(t, err)
			restore := switches.As(core)
			p := &Prep{}
			got, err := RunPrepared(op, in, params, p, nil)
			restore()
			require.NoError(t, err)
			require.Contains(t, p.Requests().Path, c.path, core)
			require.Less(t, relative(got.F32(), exact.F32()), 1e-5)
		}
	}
}
