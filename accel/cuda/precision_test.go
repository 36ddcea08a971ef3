package cuda

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// precisions are what networks and operators may differ by from plain float32,
// of the largest output.
var precisions = map[ops.Precision]float64{ops.PrecisionTF32: 2e-3, ops.PrecisionF16: 3e-3, ops.PrecisionBF16: 3e-2}

// wide is more than thin.
const wide = thin + 8

// TestPrecisions runs every operator's case in every precision.
func TestPrecisions(t *testing.T) {
	for p, within := range precisions {
		t.Run(p.String(), func(t *testing.T) {
			launched := map[string]int{}
			for i, c := range cases() {
				t.Run(fmt.Sprintf("%d %v", i, c.op.Kind()), func(t *testing.T) {
					d := newFake()
					b, err := open(d)
					require.NoError(t, err)
					g := c.graph(t)
					same(t, b, g, 1, within*scale(c.op), runtime.WithPrecision(p))
					require.NoError(t, b.Close())
					for k, n := range d.launched {
						launched[k] += n
					}
				})
			}
			t.Run("both types", func(t *testing.T) {
				d := newFake()
				b, err := open(d)
				require.NoError(t, err)
				same(t, b, bothTypes(t), 2, 2*within, runtime.WithPrecision(p))
				require.NoError(t, b.Close())
				for k, n := range d.launched {
					launched[k] += n
				}
			})
			nums, err := numbersOf(p)
			require.NoError(t, err)
			for _, k := range kernels80(nums) {
				require.Positive(t, launched[k], "no case launches %s", k)
			}
		})
	}
}

// scale is more for operators that magnify what rounding their operands does.
func scale(o ops.Op) float64 {
	switch o := o.(type) {
	case *ops.Binary:
		if o.Fn == ops.BinaryDiv || o.Fn == ops.BinaryPow {
			return 30
		}
	case *ops.LayerNorm, *ops.GroupNorm, *ops.Unary, *ops.Reduce:
		return 3
	case *ops.Conv:
		if o.Act.Fn == ops.UnaryClip { // the results before it are larger
			return 5
		}
	}
	return 1
}

// kernels80 are the kernels that a program of these numbers may launch.
func kernels80(n numbers) []string {
	var names []string
	for _, k := range []string{"dwconv", "deconv", "pool", "gavg", "softmax", "norm", "reduce", "matmul", "unary", "binary", "affine", "copy", "fill", "join", "resize"} {
		names = append(names, k+"_"+n.element)
	}
	names = append(names, "conv_"+n.product+"_64", "conv_"+n.product+"_128", "cut_"+n.product)
	if n.size == 2 {
		names = append(names, "narrow_"+n.element, "widen_"+n.element)
	}
	return names
}

// TestPrecisionNetworks: whole architectures, with weights as drawn, which make
// more of rounding than trained ones.
func TestPrecisionNetworks(t *testing.T) {
	for name, size := range map[string]int{"resnet8": 16, "mobilenetv2": 32, "dscnn": 0} {
		g, err := passes.Infer(small(t, name, size))
		require.NoError(t, err)
		for p, within := range precisions {
			t.Run(name+" "+p.String(), func(t *testing.T) {
				b, err := open(newFake())
				require.NoError(t, err)
				same(t, b, g, 1, 2*within, runtime.WithPrecision(p))
				require.NoError(t, b.Close())
			})
		}
	}
}

// TestPrecisionRefused: an older device has no tensor cores of this kind, and
// says so; plain float32 works there.
func TestPrecisionRefused(t *testing.T) {
	g := normed(t, make([]float32, 64), make([]float32, 8))
	d := newFake()
	d.capable = [2]int{7, 5}
	b, err := open(d)
	require.NoError(t, err)
	for p := range precisions {
		_, err := b.Compile(g, accel.Options{Precision: p})
		require.ErrorContains(t, err, "compute capability 8.0, fake has 7.5")
	}
	_, err = b.Compile(g, accel.Options{Precision: 77})
	require.ErrorContains(t, err, "precision unknown")
	p, err := b.Compile(g, accel.Options{})
	require.NoError(t, err)
	require.NoError(t, p.(*program).Close())
	require.Equal(t, []string{"f32.ptx"}, d.modules)
	require.NoError(t, b.Close())
}

// TestPrecisionsShareBackend: a weight is on the device once for each form of it.
func TestPrecisionsShareBackend(t *testing.T) {
	w := make([]float32, wide*wide)
	diagonal(w, wide, 3)
	g := normed(t, w, make([]float32, wide))
	d := newFake()
	b, err := open(d)
	require.NoError(t, err)
	for range 2 {
		for _, p := range []ops.Precision{ops.PrecisionF32, ops.PrecisionTF32, ops.PrecisionF16, ops.PrecisionBF16} {
			_, err := b.Compile(g, accel.Options{Precision: p})
			require.NoError(t, err)
		}
	}
	require.Len(t, b.weights, 4+2, "four forms of one, and batch norm's two")
	require.Equal(t, []string{"f32.ptx", "tf32.ptx", "f16.ptx", "bf16.ptx"}, d.modules)
	require.NoError(t, b.Close())
}

// TestTooLargeForHalf: a weight that f16 does not hold is an error and no infinity.
func TestTooLargeForHalf(t *testing.T) {
	w := make([]float32, wide*wide)
	diagonal(w, wide, 70000)
	g := normed(t, w, make([]float32, wide))
	d := newFake()
	b, err := open(d)
	require.NoError(t, err)
	_, err = b.Compile(g, accel.Options{Precision: ops.PrecisionF16})
	require.ErrorContains(t, err, "70000 is beyond f16's 65504")
	require.Empty(t, d.memory)
	_, err = b.Compile(g, accel.Options{Precision: ops.PrecisionBF16})
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

// TestConversions at the ends and at ties.
func TestConversions(t *testing.T) {
	bits := func(b []byte) []uint32 { return tensor.CastSlice[uint32](b) }
	up := math.Float32frombits
	require.Equal(t, []uint32{0x3f800000, 0x3f802000, 0x3f802000, 0xbf802000, 0x7f800000, 0},
		bits(tf32s([]float32{1, up(0x3f801000), up(0x3f801fff), up(0xbf801000), float32(math.Inf(1)), 0})))
	require.Equal(t, []uint16{0x3f80, 0x3f80, 0x3f82, 0x3f82, 0x7f80, 0xff80},
		tensor.CastSlice[uint16](bfloats([]float32{1, up(0x3f808000), up(0x3f818000), up(0x3f818001), up(0x7f7fffff), float32(math.Inf(-1))})))
	h, err := halves([]float32{1, 65504, 6e-8, float32(math.Inf(1))})
	require.NoError(t, err)
	require.Equal(t, []uint16{0x3c00, 0x7bff, 1, 0x7c00}, tensor.CastSlice[uint16](h))
}

// TestComputedBias: one that nobody knows before the run comes in two bytes where
// the product's operands do.
func TestComputedBias(t *testing.T) {
	b := graph.NewBuilder("computed")
	x := b.Input("x", tensor.F32Spec(1, wide), true)
	w, bias := b.Input("w", tensor.F32Spec(4, wide), false), b.Input("b", tensor.F32Spec(4), false)
	b.Output("y", b.Add("it", &ops.Dense{}, nil, x, w, bias))
	g, err := b.Build()
	require.NoError(t, err)
	be, err := open(newFake())
	require.NoError(t, err)
	same(t, be, g, 1, 1e-5)
	for p, within := range precisions {
		same(t, be, g, 1, within, runtime.WithPrecision(p))
	}
	require.NoError(t, be.Close())
}
