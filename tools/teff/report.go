package main

import (
	"fmt"
	"html"
	"strings"
)

// writeReport writes curves and the confusion matrix as one HTML file that
// needs nothing else.
func (t *round) writeReport() error {
	var b strings.Builder
	held := 0
	if t.val != nil {
		held = len(t.val.labels)
	}
	title := html.EscapeString(t.o.out)
	fmt.Fprintf(&b, `<!doctype html><meta charset="utf-8"><title>%s</title>
<style>body{font:14px system-ui,sans-serif;margin:2em;max-width:60em}svg{background:#fafafa;border:1px solid #ddd}
table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:2px 8px;text-align:right}</style>
<h1>%s</h1><p>%d epochs on %d images, %d held back; training held %s.</p>`,
		title, title, len(t.epochs), len(t.train.labels), held, bytesText(int64(t.trainer.PeakBytes())))
	var loss, tr, val []float64
	for _, e := range t.epochs {
		loss, tr, val = append(loss, e.Loss), append(tr, e.Train), append(val, e.Top1)
	}
	b.WriteString("<h2>Loss</h2>")
	curve(&b, []string{"#c33"}, loss)
	b.WriteString(`<h2>Right answers</h2><p><span style="color:#36c">training</span>, <span style="color:#2a2">validation</span></p>`)
	curve(&b, []string{"#36c", "#2a2"}, tr, val)
	b.WriteString("<h2>Confusion</h2><p>rows: what it is; columns: what the network says</p><table><tr><th></th>")
	for _, l := range t.meta.Labels {
		fmt.Fprintf(&b, "<th>%s</th>", html.EscapeString(l))
	}
	b.WriteString("</tr>")
	for i, row := range t.confusion {
		sum := 0
		for _, n := range row {
			sum += n
		}
		fmt.Fprintf(&b, "<tr><th>%s</th>", html.EscapeString(t.meta.Labels[i]))
		for j, n := range row {
			colour := "51,102,204"
			if i != j {
				colour = "204,51,51"
			}
			fmt.Fprintf(&b, `<td style="background:rgba(%s,%.2f)">%d</td>`, colour, 0.6*float64(n)/float64(max(1, sum)), n)
		}
		b.WriteString("</tr>")
	}
	b.WriteString("</table>\n")
	return writeAtomic(t.o.report, []byte(b.String()))
}

// curve draws lines over epochs, from 0 to the largest value.
func curve(b *strings.Builder, colours []string, lines ...[]float64) {
	const w, h = 640, 220
	top := 1e-9
	for _, l := range lines {
		for _, v := range l {
			top = max(top, v)
		}
	}
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" width="%d"><text x="4" y="14" font-size="12">%.3g</text>`, w, h, w, top)
	for i, l := range lines {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colours[i])
		for x, v := range l {
			fmt.Fprintf(b, "%.1f,%.1f ", 20+float64(x)*float64(w-40)/float64(max(1, len(l)-1)), float64(h-10)-v/top*float64(h-30))
		}
		b.WriteString(`"/>`)
	}
	b.WriteString("</svg>")
}
