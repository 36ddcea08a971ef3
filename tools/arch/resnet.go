package arch

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

// torchEps is the batch norm epsilon of torchvision's models, kerasEps that of
// Keras, which MLPerf Tiny's come from.
const (
	torchEps = 1e-5
	kerasEps = 1e-3
)

// resnet8 is MLPerf Tiny's image classifier: three stacks of one basic block
// at 16, 32 and 64 channels.
func resnet8(n *net, o Options) {
	size := or(o.Size, 32)
	n.input(size, size, 3)
	k3 := [2]int{3, 3}
	n.same("conv1", 16, k3, [2]int{1, 1}, 1, true)
	n.batchNorm("bn1", kerasEps)
	n.relu()
	for i, c := range []int{16, 32, 64} {
		stride := [2]int{2, 2}
		if i == 0 {
			stride = [2]int{1, 1}
		}
		name := fmt.Sprintf("stack%d", i+1)
		in := n.x
		n.same(name+".conv1", c, k3, stride, 1, true)
		n.batchNorm(name+".bn1", kerasEps)
		n.relu()
		n.same(name+".conv2", c, k3, [2]int{1, 1}, 1, true)
		n.batchNorm(name+".bn2", kerasEps)
		y := n.x
		if n.x = in; i > 0 {
			n.same(name+".shortcut", c, [2]int{1, 1}, stride, 1, true)
		}
		n.add(name+".add", y)
		n.relu()
	}
	n.globalAverage()
	n.dense("dense", or(o.Classes, 10), 0)
	n.x = n.b.Add("softmax", &ops.Softmax{Axis: -1}, nil, n.x)
	n.output("probabilities")
}

// stem is the beginning of the ImageNet ResNets.
func stem(n *net, o Options) {
	size := or(o.Size, 224)
	n.input(size, size, 3)
	n.conv("conv1", 64, 7, 2, 1, false)
	n.batchNorm("bn1", torchEps)
	n.relu()
	n.maxPool(3, 2, 1, false)
}

func head(n *net, o Options) {
	n.globalAverage()
	n.dense("fc", or(o.Classes, 1000), 0)
	n.output("logits")
}

func resnet18(n *net, o Options) {
	stem(n, o)
	for i, c := range []int{64, 128, 256, 512} {
		for j := range 2 {
			basicBlock(n, fmt.Sprintf("layer%d.%d", i+1, j), c, stageStride(i, j))
		}
	}
	head(n, o)
}

func resnet50(n *net, o Options) {
	stem(n, o)
	for i, depth := range []int{3, 4, 6, 3} {
		for j := range depth {
			bottleneck(n, fmt.Sprintf("layer%d.%d", i+1, j), 64<<i, stageStride(i, j))
		}
	}
	head(n, o)
}

// stageStride is 2 in the first block of every stage but the first.
func stageStride(stage, block int) int {
	if stage > 0 && block == 0 {
		return 2
	}
	return 1
}

func basicBlock(n *net, name string, c, stride int) {
	in, inC := n.x, n.channels()
	n.conv(name+".conv1", c, 3, stride, 1, false)
	n.batchNorm(name+".bn1", torchEps)
	n.relu()
	n.conv(name+".conv2", c, 3, 1, 1, false)
	n.batchNorm(name+".bn2", torchEps)
	y := n.x
	if n.x = in; stride != 1 || inC != c {
		n.conv(name+".downsample.0", c, 1, stride, 1, false)
		n.batchNorm(name+".downsample.1", torchEps)
	}
	n.add(name+".add", y)
	n.relu()
}

// bottleneck has its stride in the 3x3 convolution, as torchvision's has.
func bottleneck(n *net, name string, c, stride int) {
	in, inC := n.x, n.channels()
	n.conv(name+".conv1", c, 1, 1, 1, false)
	n.batchNorm(name+".bn1", torchEps)
	n.relu()
	n.conv(name+".conv2", c, 3, stride, 1, false)
	n.batchNorm(name+".bn2", torchEps)
	n.relu()
	n.conv(name+".conv3", 4*c, 1, 1, 1, false)
	n.batchNorm(name+".bn3", torchEps)
	y := n.x
	if n.x = in; stride != 1 || inC != 4*c {
		n.conv(name+".downsample.0", 4*c, 1, stride, 1, false)
		n.batchNorm(name+".downsample.1", torchEps)
	}
	n.add(name+".add", y)
	n.relu()
}

// glyphnet is the demo's: three basic blocks at 8, 16 and 32 channels on 28 x 28
// gray images.
func glyphnet(n *net, o Options) {
	size := or(o.Size, 28)
	n.input(size, size, 1)
	n.conv("conv1", 8, 3, 2, 1, false)
	n.batchNorm("bn1", torchEps)
	n.relu()
	for i, c := range []int{8, 16, 32} {
		basicBlock(n, fmt.Sprintf("layer%d", i+1), c, stageStride(i, 0))
	}
	n.globalAverage()
	n.dense("fc", or(o.Classes, 10), 0)
	n.x = n.b.Add("softmax", &ops.Softmax{Axis: -1}, nil, n.x)
	n.output("probabilities")
}
