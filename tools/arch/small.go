package arch

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

// vgg11 is configuration A of Simonyan and Zisserman without batch norm.
func vgg11(n *net, o Options) {
	size := or(o.Size, 224)
	n.input(size, size, 3)
	i := 0 // as torchvision counts, where activations and pools have numbers, too
	for _, c := range []int{64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0} {
		if c == 0 {
			n.maxPool(2, 2, 0, false)
			i++
			continue
		}
		n.conv(fmt.Sprintf("features.%d", i), c, 3, 1, 1, true)
		n.relu()
		i += 2
	}
	n.flatten()
	for i := range 2 {
		n.dense(fmt.Sprintf("classifier.%d", 3*i), 4096, 0.01)
		n.relu()
		n.x = n.b.Add("", &ops.Dropout{Rate: 0.5}, nil, n.x)
	}
	n.dense("classifier.6", or(o.Classes, 1000), 0.01)
	n.output("logits")
}

// scaled is a channel count under a width multiplier: a multiple of 8, not
// more than a tenth below the exact value.
func scaled(c int, width float64) int {
	v := float64(c) * width
	d := max(8, int(v+4)/8*8)
	if float64(d) < 0.9*v {
		d += 8
	}
	return d
}

// mobilenetV1 is MLPerf Tiny's person detector.
func mobilenetV1(n *net, o Options) {
	size, width := or(o.Size, 96), or(o.Width, 0.25)
	n.input(size, size, 3)
	k3 := [2]int{3, 3}
	n.same("conv1", scaled(32, width), k3, [2]int{2, 2}, 1, false)
	n.batchNorm("bn1", kerasEps)
	n.relu()
	for i, l := range []struct{ c, stride int }{
		{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1},
	} {
		separable(n, fmt.Sprintf("block%d", i+1), scaled(l.c, width), k3, [2]int{l.stride, l.stride}, false)
	}
	n.globalAverage()
	n.dense("dense", or(o.Classes, 2), 0)
	n.x = n.b.Add("softmax", &ops.Softmax{Axis: -1}, nil, n.x)
	n.output("probabilities")
}

// separable is a depthwise and a pointwise convolution, each with batch norm
// and relu.
func separable(n *net, name string, c int, k, stride [2]int, bias bool) {
	n.same(name+".dw", n.channels(), k, stride, n.channels(), bias)
	n.batchNorm(name+".dw_bn", kerasEps)
	n.relu()
	n.same(name+".pw", c, [2]int{1, 1}, [2]int{1, 1}, 1, bias)
	n.batchNorm(name+".pw_bn", kerasEps)
	n.relu()
}

// mobilenetV2 is Sandler et al.'s inverted residuals as torchvision builds them.
func mobilenetV2(n *net, o Options) {
	size, width := or(o.Size, 224), or(o.Width, 1.0)
	n.input(size, size, 3)
	convBN := func(name string, c, k, stride, groups int) {
		n.conv(name+".0", c, k, stride, groups, false)
		n.batchNorm(name+".1", torchEps)
	}
	convBN("features.0", scaled(32, width), 3, 2, 1)
	n.relu6()
	block := 1
	for _, s := range []struct{ expand, c, repeat, stride int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		for i := range s.repeat {
			stride := s.stride
			if i > 0 {
				stride = 1
			}
			name := fmt.Sprintf("features.%d", block)
			in, inC, c := n.x, n.channels(), scaled(s.c, width)
			if s.expand > 1 {
				convBN(name+".expand", inC*s.expand, 1, 1, 1)
				n.relu6()
			}
			convBN(name+".dw", n.channels(), 3, stride, n.channels())
			n.relu6()
			convBN(name+".project", c, 1, 1, 1)
			if stride == 1 && inC == c {
				n.add(name+".add", in)
			}
			block++
		}
	}
	convBN("features.18", scaled(1280, max(1, width)), 1, 1, 1)
	n.relu6()
	n.globalAverage()
	n.x = n.b.Add("", &ops.Dropout{Rate: 0.2}, nil, n.x)
	n.dense("classifier", or(o.Classes, 1000), 0.01)
	n.output("logits")
}

// squeezenet is SqueezeNet 1.1 (Iandola et al.) as torchvision builds it.
func squeezenet(n *net, o Options) {
	size := or(o.Size, 224)
	n.input(size, size, 3)
	n.convWindow("features.0", 64, 1, window([2]int{3, 3}, [2]int{2, 2}, [2]int{}), true)
	n.relu()
	n.maxPool(3, 2, 0, true)
	for i, f := range []struct{ squeeze, expand int }{
		{16, 64}, {16, 64}, {0, 0}, {32, 128}, {32, 128}, {0, 0}, {48, 192}, {48, 192}, {64, 256}, {64, 256},
	} {
		if f.squeeze == 0 {
			n.maxPool(3, 2, 0, true)
			continue
		}
		name := fmt.Sprintf("features.%d", i+3)
		n.conv(name+".squeeze", f.squeeze, 1, 1, 1, true)
		n.relu()
		squeezed := n.x
		n.conv(name+".expand1x1", f.expand, 1, 1, 1, true)
		n.relu()
		one := n.x
		n.x = squeezed
		n.conv(name+".expand3x3", f.expand, 3, 1, 1, true)
		n.relu()
		n.x = n.b.Add(name+".cat", &ops.Concat{Axis: -1}, nil, one, n.x)
	}
	n.x = n.b.Add("", &ops.Dropout{Rate: 0.5}, nil, n.x)
	n.conv("classifier.1", or(o.Classes, 1000), 1, 1, 1, true)
	if n.load == nil || len(n.load.fresh) == 0 { // a fresh score below zero everywhere would have no gradient
		n.relu()
	}
	n.globalAverage()
	n.output("logits")
}

// dscnn is MLPerf Tiny's keyword spotter: a 10x4 convolution and four
// separable blocks of 64 channels over 49 frames of 10 coefficients.
func dscnn(n *net, o Options) {
	n.input(49, 10, 1)
	n.same("conv1", 64, [2]int{10, 4}, [2]int{2, 2}, 1, true)
	n.batchNorm("bn1", kerasEps)
	n.relu()
	n.x = n.b.Add("", &ops.Dropout{Rate: 0.2}, nil, n.x)
	for i := range 4 {
		separable(n, fmt.Sprintf("block%d", i+1), 64, [2]int{3, 3}, [2]int{1, 1}, true)
	}
	n.x = n.b.Add("", &ops.Dropout{Rate: 0.4}, nil, n.x)
	n.globalAverage()
	n.dense("dense", or(o.Classes, 12), 0)
	n.x = n.b.Add("softmax", &ops.Softmax{Axis: -1}, nil, n.x)
	n.output("probabilities")
}

// autoencoder is MLPerf Tiny's machine sound model.
func autoencoder(n *net, o Options) {
	width := or(o.Size, 640)
	n.input(width)
	for i, c := range []int{128, 128, 128, 128, 8, 128, 128, 128, 128} {
		name := fmt.Sprintf("dense%d", i+1)
		n.dense(name, c, 0)
		n.batchNorm(name+"_bn", kerasEps)
		n.relu()
	}
	n.dense("dense10", width, 0)
	n.output("reconstruction")
}
