package cuda

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// TestCut: every step is in one stretch, none is empty, blocks that are enough are
// left alone, and the largest layers of image networks at batch 1 come out as worked
// out by hand.
func TestCut(t *testing.T) {
	for _, p := range []int{0, 1, 4, 108, 132} {
		l := &lowering{machine: machine{processors: p}}
		for _, blocks := range []int{1, 2, 7, 8, 32, 64, 100, 131, 132, 1000} {
			for steps := 1; steps < 700; steps += 1 + steps/7 {
				s, d := l.cut(blocks, steps, onTensorCores)
				require.GreaterOrEqual(t, s*d, steps)
				require.Less(t, (s-1)*d, steps, "%d blocks of %d steps: %d of %d", blocks, steps, s, d)
				if p < 1 || blocks >= p {
					require.Equal(t, 1, s)
				}
				if s > 1 {
					require.Less(t, d, steps)
				}
			}
		}
	}
	l := &lowering{machine: machine{processors: 132}}
	for _, c := range []struct{ blocks, steps, stretches int }{
		{8, 144, 16},  // 7x7, 3x3 of 512 channels to 512, f16: 49 rows by 512
		{32, 16, 1},   // 1x1 of 512 to 2048
		{8, 64, 16},   // 1x1 of 2048 to 512
		{16, 72, 8},   // 14x14, 3x3 of 256 channels to 256: 196 rows
		{16, 64, 8},   // a dense layer of 2048 to 1000
		{200, 600, 1}, // enough
	} {
		s, _ := l.cut(c.blocks, c.steps, onTensorCores)
		require.Equal(t, c.stretches, s, "%+v", c)
	}
}

// narrowNet has two cut products that one concatenation holds, and one whose result
// is float32 where the program's numbers are of two bytes.
func narrowNet(t *testing.T) *graph.Graph {
	t.Helper()
	w := func(i uint64, dims ...int) []tensor.Tensor {
		p := tensor.New(tensor.F32Spec(dims...))
		for j := range p.F32() {
			p.F32()[j] = float32((uint64(j)*2654435761+i)%1999)/5000 - 0.2
		}
		return []tensor.Tensor{p}
	}
	same := ops.Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}
	b := graph.NewBuilder("narrow")
	x := b.Input("x", tensor.F32Spec(1, 4, 5, 112), true)
	p := b.Add("a", &ops.Conv{Window: same, Act: ops.Relu}, w(1, 24, 3, 3, 112), x)
	q := b.Add("b", &ops.Conv{Window: same, Act: ops.Relu}, w(2, 31, 3, 3, 112), x)
	c := b.Add("c", &ops.Concat{Axis: 3}, nil, p, q)
	d := b.Add("d", &ops.Conv{}, w(3, 10, 4, 5, 55), c)
	r := b.Add("r", &ops.Reshape{Dims: []int{0, 10}}, nil, d)
	b.Output("y", b.Add("y", &ops.Softmax{Axis: 1}, nil, r))
	g, err := b.Build()
	require.NoError(t, err)
	g, err = passes.Infer(g)
	require.NoError(t, err)
	return g
}

// TestCutNetwork: cut products write where a concatenation has them, and float32.
// Their sums are memory of their step alone, and runs give the same bits.
func TestCutNetwork(t *testing.T) {
	g := narrowNet(t)
	for p, within := range precisions {
		d := newFake()
		d.processors = 16
		b, err := open(d)
		require.NoError(t, err)
		same(t, b, g, 1, 1e-5)
		same(t, b, g, 2, 10*within, runtime.WithPrecision(p))
		joins := 0
		for k, n := range d.launched {
			if strings.HasPrefix(k, "join_") {
				joins += n
			}
		}
		require.Equal(t, 2*3*2, joins, "recorded and launched one by one: %v", d.launched)
		require.NoError(t, b.Close())
	}
}

// TestCutCounts: how many products of ResNets at batch 1 are cut for a device of 132
// multiprocessors, and the steps that follow each other before and after, by the
// estimate. Logged: it is a prediction and no measurement.
func TestCutCounts(t *testing.T) {
	for _, name := range []string{"resnet18", "resnet50"} {
		g, err := passes.Infer(small(t, name, 224))
		require.NoError(t, err)
		for _, p := range []ops.Precision{ops.PrecisionF16, ops.PrecisionTF32, ops.PrecisionF32} {
			nums, err := numbersOf(p)
			require.NoError(t, err)
			l, err := lower(g, nums, machine{132, 90})
			require.NoError(t, err)
			products, cut, before, after, bytes := 0, 0, 0, 0, 0
			for _, s := range l.steps {
				n := &node{lowering: l, Node: g.Node(s.node), numbers: l.numbers, id: s.node}
				for _, k := range s.launches {
					form := strings.Split(k.kernel, "_")
					if form[0] != "conv" && form[0] != "cut" || n.Op.Kind() != ops.KindConv && n.Op.Kind() != ops.KindDense {
						continue
					}
					v := n.denseWindow()
					if o, ok := n.Op.(*ops.Conv); ok {
						v, err = n.convWindow(o)
						require.NoError(t, err)
					}
					kind := numbers{element: form[1], product: form[1]}
					if form[1] == "f32" {
						kind.product = ""
					}
					steps, blocks, deep := ceil(v.terms(), kind.deep()), k.grid[0]*k.grid[1], 0
					if form[0] == "cut" {
						steps, deep = steps*int(k.params[18].bits), int(k.params[19].bits)
					} else if form[1] == "f32" {
						deep = int(k.params[25].bits)
					} else if k.params[22].bits&twoParts != 0 {
						steps *= 2
					}
					products++
					whole := ceil(blocks, 132) * steps
					before += whole
					if deep > 0 {
						cut++
						bytes += 4 * v.images * v.oh * v.ow * v.oc * k.grid[2]
						whole = ceil(blocks*k.grid[2], 132)*(deep+2) + kind.joining() + 2*blocks*k.grid[2]/132
					}
					after += whole
				}
			}
			t.Logf("%s %v: %d of %d products cut, steps in a row %d, %d with joins; %d bytes of sums", name, p, cut, products, before, after, bytes)
			require.Greater(t, cut, products/4)
			require.Less(t, after, before)
		}
	}
}
