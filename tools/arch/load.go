package arch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/weights"
)

// loading is where weights come from that are not drawn.
type loading struct {
	set     *weights.Set
	name    string // of the architecture
	classes int    // as asked for, 0 where they are the file's own
	used    map[string]bool
	fresh   []string // layers that stay as drawn
	missing []string
}

// Load is New with the weights of a file, by the names that torchvision gives to layers
// or, for MobileNetV2 and VGG-11, timm. Where other classes are asked for than the file
// has, the last layer stays fresh and is named. Weights of layers that the network has
// not, or has in another size, are an error, as missing ones are.
func Load(name string, o Options, set *weights.Set) (g *graph.Graph, fresh []string, err error) {
	l := &loading{set: set, name: strings.TrimSuffix(name, "1.1"), classes: o.Classes, used: map[string]bool{}}
	g, err = build(name, o, l)
	if err != nil {
		return nil, nil, err
	}
	if len(l.missing) > 0 {
		return nil, nil, fmt.Errorf("arch: %s: the file has no %s; it begins with %s", name, few(l.missing), few(set.Names()))
	}
	var unread []string
	for _, n := range set.Names() {
		if !l.used[n] {
			unread = append(unread, n)
		}
	}
	if len(unread) > 0 {
		return nil, nil, fmt.Errorf("arch: %s has no place for %s", name, few(unread))
	}
	return g, l.fresh, nil
}

// few are the first of some names, in words.
func few(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
}

// param is a layer's parameter in our layout: the file's, where there is one, or drawn.
// dims are PyTorch's; ours brings a tensor of theirs over.
func (n *net) param(layer, part string, dims []int, ours func(tensor.Tensor) tensor.Tensor, draw func() tensor.Tensor) tensor.Tensor {
	l := n.load
	if l == nil || n.err != nil {
		return draw()
	}
	names := []string{layer + "." + part}
	for _, a := range aliases(l.name, layer) {
		names = append(names, a+"."+part)
	}
	i := slices.IndexFunc(names, func(name string) bool { return l.set.Dims(name) != nil })
	if i < 0 {
		l.missing = append(l.missing, names[0])
		return draw()
	}
	name := names[i]
	l.used[name] = true
	have := l.set.Dims(name)
	row, want := elems(have[min(1, len(have)):]), elems(dims[1:])
	switch {
	case len(have) > 0 && have[0] == dims[0] && row == want: // a dense layer may be a convolution there
		t, _ := l.set.Float32(name)
		t.Shape = tensor.Of(dims...)
		return ours(t)
	case len(have) > 0 && row == want && l.classes == dims[0]:
		if !slices.Contains(l.fresh, layer) {
			l.fresh = append(l.fresh, layer)
		}
		return draw()
	}
	n.err = fmt.Errorf("%s is %v in the file, the network has %v", name, have, dims)
	return draw()
}

// asIs takes a vector over.
func asIs(t tensor.Tensor) tensor.Tensor { return t }

// lastFirst moves dimension 1 to the end.
func lastFirst(t tensor.Tensor) tensor.Tensor {
	perm := []int{0}
	for i := 2; i < t.Shape.Rank(); i++ {
		perm = append(perm, i)
	}
	return transposed(t, append(perm, 1))
}

// flat is the weight of a dense layer after a tensor of these dimensions (height, width,
// channels), whose elements PyTorch counts channel by channel; dims is none where there
// was no such tensor.
func flat(dims []int) func(tensor.Tensor) tensor.Tensor {
	if dims == nil {
		return asIs
	}
	return func(t tensor.Tensor) tensor.Tensor {
		shape := t.Shape
		t.Shape = tensor.Of(shape.Dim(0), dims[2], dims[0], dims[1])
		t = lastFirst(t)
		t.Shape = shape
		return t
	}
}

// aliases are other names of a layer: torchvision's where ours differ, then timm's.
func aliases(arch, layer string) []string {
	switch arch {
	case "mobilenetv2":
		return mobileNetV2Names(layer)
	case "vgg11":
		switch layer {
		case "classifier.0":
			return []string{"pre_logits.fc1"}
		case "classifier.3":
			return []string{"pre_logits.fc2"}
		case "classifier.6":
			return []string{"head.fc"}
		}
	}
	return nil
}

func mobileNetV2Names(layer string) []string {
	switch layer {
	case "features.0.0":
		return []string{"conv_stem"}
	case "features.0.1":
		return []string{"bn1"}
	case "features.18.0":
		return []string{"conv_head"}
	case "features.18.1":
		return []string{"bn2"}
	case "classifier":
		return []string{"classifier.1"}
	}
	var block, part int
	var stage string
	if n, _ := fmt.Sscanf(strings.ReplaceAll(layer, ".", " "), "features %d %s %d", &block, &stage, &part); n != 3 {
		return nil
	}
	step := slices.Index([]string{"expand", "dw", "project"}, stage)
	theirs := fmt.Sprintf("features.%d.conv", block)
	names := []string{"conv_pw", "conv_dw", "conv_pwl"}
	at := step
	if block == 1 { // which does not expand
		names, at = []string{"", "conv_dw", "conv_pw"}, step-1
	}
	if stage == "project" {
		theirs += fmt.Sprintf(".%d", at+part)
	} else {
		theirs += fmt.Sprintf(".%d.%d", at, part)
	}
	group, within := 0, block-1
	for _, repeat := range []int{1, 2, 3, 4, 3, 3, 1} {
		if within < repeat {
			break
		}
		within -= repeat
		group++
	}
	timm := fmt.Sprintf("blocks.%d.%d.%s", group, within, names[step])
	if part == 1 {
		timm = fmt.Sprintf("blocks.%d.%d.bn%d", group, within, at+1)
	}
	return []string{theirs, timm}
}
