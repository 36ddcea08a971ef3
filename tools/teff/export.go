package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/teff-ml/teff/tools/onnx"
)

func runExport(_ context.Context, c *cli, args []string) error {
	f := newFlags(c, "export", "MODEL -o OUT.onnx")
	ld := loadFlags(f)
	out := f.String("o", "", "the .onnx file to write")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *out == "" {
		return usagef("-o OUT.onnx is missing")
	}
	if err := canWrite(*out); err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
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
