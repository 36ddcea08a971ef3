package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/tools/arch"
)

func runNew(_ context.Context, c *cli, args []string) error {
	f := newFlags(c, "new", "ARCH -o OUT")
	out := f.String("o", "", "the file to write")
	var o arch.Options
	f.IntVar(&o.Classes, "classes", 0, "number of outputs; 0: the architecture's own")
	f.IntVar(&o.Size, "size", 0, "height and width of the input; 0: the architecture's own")
	f.Float64Var(&o.Width, "width", 0, "multiplier of channels (mobilenetv1, mobilenetv2)")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the weights")
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
	if *out == "" {
		return usagef("-o OUT is missing")
	}
	if err := canWrite(*out); err != nil {
		return err
	}
	g, err := arch.New(pos[0], o)
	if err != nil {
		return err
	}
	if err := format.WriteFile(*out, g, nil); err != nil {
		return err
	}
	return inspect(c, &model{path: *out, graph: g, bytes: fileSize(*out)}, f.json, false)
}
