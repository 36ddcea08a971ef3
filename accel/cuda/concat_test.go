package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestConcatInPlace: what only a concatenation along channels reads is written
// there; what others read, or comes twice, or has an activation of its own
// launch, is copied.
func TestConcatInPlace(t *testing.T) {
	w := func(oc, k, ic int) []tensor.Tensor {
		p := tensor.New(tensor.F32Spec(oc, k, k, ic))
		for i := range p.F32() {
			p.F32()[i] = float32(i%7)/7 - 0.4
		}
		return []tensor.Tensor{p}
	}
	pad := ops.Window{Kernel: []int{3, 3}, Stride: []int{1, 1}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}
	act := func(fn ops.UnaryFn) ops.Act { return ops.Act{Fn: fn, A: 0.1, B: 0.4} }
	for _, c := range []struct {
		name   string
		copies int
		build  func(b *graph.Builder, x graph.ID) []graph.ID
	}{
		{"branches", 0, func(b *graph.Builder, x graph.ID) []graph.ID {
			return []graph.ID{b.Add("a", &ops.Conv{}, w(5, 1, 4), x), b.Add("b", &ops.Conv{Window: pad, Act: ops.Relu}, w(3, 3, 4), x),
				b.Add("c", &ops.Pool{Window: pad}, nil, x), b.Add("d", &ops.Conv{Window: pad, Groups: 4}, w(8, 3, 1), x)}
		}},
		{"read elsewhere", 1, func(b *graph.Builder, x graph.ID) []graph.ID {
			a := b.Add("a", &ops.Conv{}, w(4, 1, 4), x)
			return []graph.ID{a, b.Add("b", &ops.Conv{}, w(3, 1, 4), a)}
		}},
		{"twice", 2, func(b *graph.Builder, x graph.ID) []graph.ID {
			a := b.Add("a", &ops.Conv{}, w(4, 1, 4), x)
			return []graph.ID{a, a}
		}},
		{"an input", 1, func(b *graph.Builder, x graph.ID) []graph.ID {
			return []graph.ID{x, b.Add("a", &ops.Conv{Residual: true}, w(4, 1, 4), x, x)}
		}},
		{"activations", 1, func(b *graph.Builder, x graph.ID) []graph.ID {
			return []graph.ID{b.Add("a", &ops.Conv{Act: act(ops.UnaryHardSwish)}, w(4, 1, 4), x), b.Add("b", &ops.Conv{Act: ops.Clip(0, 6)}, w(4, 1, 4), x)}
		}},
		{"nested", 1, func(b *graph.Builder, x graph.ID) []graph.ID {
			i := b.Add("inner", &ops.Concat{Axis: -1}, nil, b.Add("a", &ops.Conv{}, w(4, 1, 4), x), b.Add("b", &ops.Conv{}, w(2, 1, 4), x))
			return []graph.ID{i, b.Add("c", &ops.Conv{}, w(4, 1, 4), x)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := graph.NewBuilder(c.name)
			x := b.Input("x", tensor.F32Spec(1, 6, 5, 4), true)
			y := b.Add("concat", &ops.Concat{Axis: -1}, nil, c.build(b, x)...)
			b.Output("y", b.Add("after", &ops.Unary{Fn: ops.UnaryRelu}, nil, y))
			g, err := b.Build()
			require.NoError(t, err)
			d := newFake()
			be, err := open(d)
			require.NoError(t, err)
			m, s := sessionOf(t, be, g, 2)
			require.Equal(t, c.copies, d.launched["copy_f32"])
			require.NoError(t, s.Close())
			require.NoError(t, m.Close())
			same(t, be, g, 2, 1e-5)
			require.NoError(t, be.Close())
		})
	}
}
