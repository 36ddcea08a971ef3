//go:build ignore

// Gen draws the masks: go run gen.go (on amd64; only there has it been run).
package main

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"log"
	"os"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

const (
	classes = 10
	canvas  = 64
)

func main() {
	all := image.NewGray(image.Rect(0, 0, classes*canvas, 3*canvas))
	for y, ttf := range [][]byte{goregular.TTF, gobold.TTF, gomono.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			log.Fatal(err)
		}
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: 56, DPI: 72, Hinting: font.HintingNone})
		if err != nil {
			log.Fatal(err)
		}
		for c := range classes {
			m := image.NewAlpha(image.Rect(0, 0, canvas, canvas))
			w := font.MeasureString(face, string(rune('0'+c)))
			dr := font.Drawer{Dst: m, Src: image.Opaque, Face: face, Dot: fixed.Point26_6{X: (fixed.I(canvas) - w) / 2, Y: fixed.I(canvas/2 + 20)}}
			dr.DrawString(string(rune('0' + c)))
			gray := &image.Gray{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
			draw.Draw(all, m.Rect.Add(image.Pt(c*canvas, y*canvas)), gray, image.Point{}, draw.Src)
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, all); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("masks.png", b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
