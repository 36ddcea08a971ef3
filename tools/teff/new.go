package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/weights"
)

func runNew(_ context.Context, c *cli, args []string) error {
	f := newFlags(c, "new", "ARCH -o OUT")
	out := f.String("o", "", "the file to write")
	var o arch.Options
	f.IntVar(&o.Classes, "classes", 0, "number of outputs; 0: the architecture's own")
	f.IntVar(&o.Size, "size", 0, "height and width of the input; 0: the architecture's own")
	f.Float64Var(&o.Width, "width", 0, "multiplier of channels (mobilenetv1, mobilenetv2)")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the weights")
	from := f.String("from", "", "take the weights of this safetensors file or PyTorch checkpoint (.pth), by the layers' names in torchvision or timm; with other --classes the last layer stays fresh")
	f.more = "\nARCH is one of\n"
	for _, name := range arch.Names() {
		f.more += fmt.Sprintf("  %-12s %s\n", name, arch.Doc(name))
	}
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if arch.Doc(pos[0]) == "" && arch.Doc(strings.TrimSuffix(pos[0], "1.1")) == "" {
		return usagef("no architecture %q; there are %s", pos[0], strings.Join(arch.Names(), ", "))
	}
	if option := arch.Ignored(pos[0], o); option != "" {
		return usagef("--%s is not for %s", option, pos[0])
	}
	if err := modelOut(*out); err != nil {
		return err
	}
	if err := canWrite(*out); err != nil {
		return err
	}
	g, meta, err := freshNetwork(c, pos[0], o, *from)
	if err != nil {
		return err
	}
	if err := format.WriteFile(*out, g, meta); err != nil {
		return err
	}
	return inspect(c, &model{path: *out, graph: g, bytes: fileSize(*out), meta: meta.Metadata}, f.json, false)
}

// freshNetwork is the architecture with weights that are drawn, or those of a file, with
// what such networks expect of pixels.
func freshNetwork(c *cli, name string, o arch.Options, from string) (*graph.Graph, *format.WriteOptions, error) {
	if from == "" {
		g, err := arch.New(name, o)
		return g, &format.WriteOptions{}, err
	}
	set, err := weights.ReadFile(from)
	if err != nil {
		return nil, nil, err
	}
	g, fresh, err := arch.Load(name, o, set)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", from, err)
	}
	for _, layer := range fresh {
		fmt.Fprintf(c.err, "%s stays fresh: %s has other than %d classes\n", layer, from, o.Classes)
	}
	meta := &format.Metadata{Source: filepath.Base(from)}
	if strings.Contains(arch.Doc(name), "ImageNet") {
		in, p := g.Node(g.Inputs()[0]).Out.Shape, imageNetPixels()
		p.Height, p.Width, p.Mode = in.Dim(1), in.Dim(2), "antialias"
		p.Resize = p.Height * 256 / 224 // as torchvision cuts out the middle
		meta.Preprocess = &p
	}
	return g, &format.WriteOptions{Metadata: meta}, nil
}
