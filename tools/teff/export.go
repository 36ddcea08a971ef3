package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/onnx"
	"github.com/teff-ml/teff/tools/weights"
)

func runExport(_ context.Context, c *cli, args []string) error {
	f := newFlags(c, "export", "MODEL -o OUT.onnx|OUT.safetensors")
	ld := loadFlags(f)
	out := f.String("o", "", "the file to write: .onnx, or .safetensors for the weights alone, laid out as in a state dict of PyTorch")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	ext := strings.ToLower(filepath.Ext(*out))
	switch {
	case *out == "":
		return usagef("-o OUT.onnx is missing")
	case ext != "" && ext != ".onnx" && ext != ".safetensors":
		return usagef("-o %s: .onnx and .safetensors can be written", *out)
	}
	if err := canWrite(*out); err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	if ext == ".safetensors" {
		return exportWeights(c, m, *out, f.json)
	}
	var b bytes.Buffer
	props := map[string]string{}
	if m.hasMetadata() {
		meta, err := json.Marshal(m.metadata())
		if err != nil {
			return err
		}
		props[onnxProperty] = string(meta)
	}
	if err := onnx.Export(&b, m.graph, onnx.WithMetadata(props)); err != nil {
		return err
	}
	if err := writeAtomic(*out, b.Bytes()); err != nil {
		return err
	}
	nodes, err := onnx.NodeCount(b.Bytes())
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.out, map[string]any{"nodes_out": nodes, "bytes_out": b.Len()})
	}
	_, err = fmt.Fprintf(c.out, "%s: %d nodes, %s\n", *out, nodes, bytesText(int64(b.Len())))
	return err
}

// exportWeights writes what a network has learned without the network.
func exportWeights(c *cli, m *model, out string, asJSON bool) error {
	all, err := arch.State(m.graph)
	if err != nil {
		return err
	}
	b, err := weights.Safetensors(all)
	if err != nil {
		return err
	}
	if err := writeAtomic(out, b); err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.out, map[string]any{"tensors_out": len(all), "bytes_out": len(b)})
	}
	_, err = fmt.Fprintf(c.out, "%s: %d tensors, %s\n", out, len(all), bytesText(int64(len(b))))
	return err
}
