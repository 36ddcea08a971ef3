// Package arch builds fresh networks of well-known shapes, properly
// initialised and ready to train: torchvision's ResNet-18, ResNet-50, VGG-11,
// MobileNetV2 and SqueezeNet 1.1, and MLPerf Tiny's ResNet-8, MobileNetV1,
// DS-CNN and autoencoder. Layers and their order are those of the papers and
// of these collections; weights are drawn from a seed.
package arch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Options choose a network's size.
type Options struct {
	Classes int     // outputs; 0: the architecture's own
	Size    int     // height and width of the input; 0: its own
	Width   float64 // multiplier of channels (mobilenetv1, mobilenetv2); 0: 1, 0.25 for mobilenetv1
	Seed    uint64
}

type maker struct {
	doc   string
	build func(n *net, o Options)
}

var makers = map[string]maker{
	"resnet8":     {"MLPerf Tiny image classification, 32x32x3, 10 classes", resnet8},
	"resnet18":    {"ImageNet, 224x224x3, 1000 classes", resnet18},
	"resnet50":    {"ImageNet, 224x224x3, 1000 classes", resnet50},
	"vgg11":       {"ImageNet, 224x224x3, 1000 classes, no batch norm", vgg11},
	"mobilenetv1": {"MLPerf Tiny visual wake words, 96x96x3, width 0.25, 2 classes", mobilenetV1},
	"mobilenetv2": {"ImageNet, 224x224x3, 1000 classes", mobilenetV2},
	"squeezenet":  {"SqueezeNet 1.1, ImageNet, 224x224x3, 1000 classes", squeezenet},
	"dscnn":       {"MLPerf Tiny keyword spotting, 49x10x1, 12 classes", dscnn},
	"glyphnet":    {"the demo's small residual network, 28x28x1, 10 classes", glyphnet},
	"autoencoder": {"MLPerf Tiny anomaly detection, 640 inputs and outputs", autoencoder},
}

// Names lists the architectures.
func Names() []string {
	var n []string
	for k := range makers {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}

// Doc says in a line what an architecture is for; "" when there is none of
// that name.
func Doc(name string) string { return makers[name].doc }

// New builds the named network.
func New(name string, o Options) (*graph.Graph, error) { return build(name, o, nil) }

func build(name string, o Options, from *loading) (*graph.Graph, error) {
	name = strings.TrimSuffix(name, "1.1")
	m, ok := makers[name]
	if !ok {
		return nil, fmt.Errorf("arch: no architecture %q; there are %s", name, strings.Join(Names(), ", "))
	}
	switch {
	case o.Classes < 0 || o.Classes > 1<<20:
		return nil, fmt.Errorf("arch: %s: %d classes are out of range", name, o.Classes)
	case o.Size < 0 || o.Size > 1<<14:
		return nil, fmt.Errorf("arch: %s: a size of %d is out of range", name, o.Size)
	case o.Size > 0 && o.Size > math.MaxInt/64/o.Size: // a tensor of three channels has no such shape where an int has 32 bits
		return nil, fmt.Errorf("arch: %s: a size of %d has too many pixels for this processor", name, o.Size)
	case !(o.Width >= 0 && o.Width <= 64):
		return nil, fmt.Errorf("arch: %s: a width of %g is out of range", name, o.Width)
	}
	n := &net{b: graph.NewBuilder(name), rng: rand.New(rand.NewPCG(o.Seed, 0x7eff)), load: from}
	m.build(n, o)
	g, err := n.b.Build()
	if n.err != nil {
		err = n.err
	}
	if err != nil {
		return nil, fmt.Errorf("arch: %s: %w", name, err)
	}
	return g, nil
}

// Ignored names the first option that is set and that the named architecture
// does without; "" when there is none.
func Ignored(name string, o Options) string {
	switch name := strings.TrimSuffix(name, "1.1"); {
	case o.Classes != 0 && name == "autoencoder":
		return "classes"
	case o.Size != 0 && name == "dscnn":
		return "size"
	case o.Width != 0 && name != "mobilenetv1" && name != "mobilenetv2":
		return "width"
	}
	return ""
}

// net adds layers with freshly drawn weights to a builder. x is the value so
// far.
type net struct {
	b   *graph.Builder
	rng *rand.Rand
	x   graph.ID
	err error

	load  *loading // nil: weights are drawn
	plane []int    // what the last flattening flattened, where it is more than channels
}

func or[T int | float64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (n *net) input(dims ...int) {
	n.x = n.b.Input("input", tensor.F32Spec(append([]int{1}, dims...)...), true)
}

func (n *net) channels() int { return n.b.Spec(n.x).Shape.Channels() }

// maxWeights bounds the numbers of one tensor: 4 GiB of them.
const maxWeights = 1 << 30

// normal draws weights of that standard deviation.
func (n *net) normal(std float64, dims ...int) tensor.Tensor {
	all := 1.0
	for _, d := range dims {
		all *= float64(d)
	}
	if all > maxWeights {
		n.err = fmt.Errorf("weights of %v are too many", dims)
		return tensor.New(tensor.F32Spec(0)) // of which no layer can be made
	}
	t := tensor.New(tensor.F32Spec(dims...))
	for i, v := 0, t.F32(); i < len(v); i++ {
		v[i] = float32(n.rng.NormFloat64() * std)
	}
	return t
}

func filled(v float32, dims ...int) tensor.Tensor {
	t := tensor.New(tensor.F32Spec(dims...))
	for i, f := 0, t.F32(); i < len(f); i++ {
		f[i] = v
	}
	return t
}

// window is two-dimensional, height before width; pad is on both sides.
func window(kernel, stride [2]int, pad [2]int) ops.Window {
	return ops.Window{Kernel: kernel[:], Stride: stride[:], PadLo: pad[:], PadHi: slices.Clone(pad[:])}
}

// convWindow adds a convolution; weights are drawn after He et al. 2015 for
// the number of inputs one output sums.
func (n *net) convWindow(name string, oc, groups int, w ops.Window, bias bool) {
	icg := n.channels() / groups
	k := w.Kernel
	std := math.Sqrt(2 / float64(k[0]*k[1]*icg))
	params := []tensor.Tensor{n.param(name, "weight", []int{oc, icg, k[0], k[1]}, lastFirst, func() tensor.Tensor {
		return n.normal(std, oc, k[0], k[1], icg)
	})}
	if bias {
		params = append(params, n.vector(name, "bias", 0, oc))
	}
	w.Kernel = nil
	n.x = n.b.Add(name, &ops.Conv{Window: w, Groups: groups}, params, n.x)
}

// conv is a square convolution with the padding that keeps the size at stride 1.
func (n *net) conv(name string, oc, k, stride, groups int, bias bool) {
	n.convWindow(name, oc, groups, window([2]int{k, k}, [2]int{stride, stride}, [2]int{k / 2, k / 2}), bias)
}

// same is conv with TensorFlow's padding.
func (n *net) same(name string, oc int, k, stride [2]int, groups int, bias bool) {
	w := ops.Window{Kernel: k[:], Stride: stride[:], Auto: ops.PadSameUpper}
	n.convWindow(name, oc, groups, w, bias)
}

func (n *net) batchNorm(name string, eps float32) {
	c := n.channels()
	n.x = n.b.Add(name, &ops.BatchNorm{Eps: eps, Momentum: 0.9, Unbiased: true},
		[]tensor.Tensor{n.vector(name, "weight", 1, c), n.vector(name, "bias", 0, c), n.vector(name, "running_mean", 0, c), n.vector(name, "running_var", 1, c)}, n.x)
}

// vector is a parameter of n numbers, v where they are fresh.
func (n *net) vector(layer, part string, v float32, c int) tensor.Tensor {
	return n.param(layer, part, []int{c}, asIs, func() tensor.Tensor { return filled(v, c) })
}

func (n *net) act(fn ops.UnaryFn, a, b float32) {
	n.x = n.b.Add("", &ops.Unary{Fn: fn, A: a, B: b}, nil, n.x)
}

func (n *net) relu()  { n.act(ops.UnaryRelu, 0, 0) }
func (n *net) relu6() { n.act(ops.UnaryClip, 0, 6) }

func (n *net) maxPool(k, stride, pad int, ceil bool) {
	w := window([2]int{k, k}, [2]int{stride, stride}, [2]int{pad, pad})
	w.Ceil = ceil
	n.x = n.b.Add("", &ops.Pool{Window: w, Fn: ops.PoolMax}, nil, n.x)
}

// globalAverage leaves [n, c].
func (n *net) globalAverage() {
	n.x = n.b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, n.x)
	n.flatten()
}

func (n *net) flatten() {
	n.plane = nil
	if s := n.b.Spec(n.x).Shape; s.Rank() == 4 && s.Dim(1)*s.Dim(2) > 1 {
		n.plane = s.Dims()[1:]
	}
	n.x = n.b.Add("flatten", &ops.Reshape{Dims: []int{0, -1}}, nil, n.x)
}

func (n *net) dense(name string, out int, std float64) {
	in := n.channels()
	if std == 0 {
		std = math.Sqrt(1 / float64(in))
	}
	w := n.param(name, "weight", []int{out, in}, flat(n.plane), func() tensor.Tensor { return n.normal(std, out, in) })
	n.plane = nil
	n.x = n.b.Add(name, &ops.Dense{}, []tensor.Tensor{w, n.vector(name, "bias", 0, out)}, n.x)
}

func (n *net) add(name string, y graph.ID) {
	n.x = n.b.Add(name, &ops.Binary{Fn: ops.BinaryAdd}, nil, n.x, y)
}

func (n *net) output(name string) { n.b.Output(name, n.x) }
