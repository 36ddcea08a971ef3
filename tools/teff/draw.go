package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"github.com/teff-ml/teff/tools/glyphs"
)

// runDraw writes labelled images that the project draws itself.
func runDraw(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "draw", "DIR")
	n := f.Int("n", 200, "number of images")
	seed := f.Uint64("seed", 1, "equal seeds draw equal images")
	idx := f.Bool("idx", false, "write MNIST's idx files instead of folders of PNG")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *n < 1 || *n > 1<<20 {
		return usagef("-n %d", *n)
	}
	if err := drawSet(ctx, pos[0], *n, *seed, *idx); err != nil {
		return err
	}
	if f.json {
		return printJSON(c.out, map[string]any{"n": *n, "classes": glyphs.Classes})
	}
	_, err = fmt.Fprintf(c.out, "%s: %d images of %d x %d in %d classes\n", pos[0], *n, glyphs.Size, glyphs.Size, glyphs.Classes)
	return err
}

func drawSet(ctx context.Context, dir string, n int, seed uint64, idx bool) error {
	d, err := glyphs.New()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	const size = glyphs.Size
	if idx {
		be := binary.BigEndian
		images := be.AppendUint32(be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, 2051), uint32(n)), size), size)
		labels := be.AppendUint32(be.AppendUint32(nil, 2049), uint32(n))
		pix := make([]byte, size*size)
		for i := range n {
			labels = append(labels, byte(d.Sample(pix, seed, i)))
			images = append(images, pix...)
		}
		if err := writeGzip(filepath.Join(dir, "glyphs-images-idx3-ubyte.gz"), images); err != nil {
			return err
		}
		return writeGzip(filepath.Join(dir, "glyphs-labels-idx1-ubyte.gz"), labels)
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := image.NewGray(image.Rect(0, 0, size, size))
		class := filepath.Join(dir, fmt.Sprint(d.Sample(m.Pix, seed, i)))
		if err := os.MkdirAll(class, 0o755); err != nil {
			return err
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			return err
		}
		name := filepath.Join(class, fmt.Sprintf("%05d.png", i))
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			os.Remove(name) // half of it
			return err
		}
	}
	return nil
}

func writeGzip(path string, b []byte) error {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return writeAtomic(path, z.Bytes())
}
