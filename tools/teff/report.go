package main

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/teff-ml/teff/runtime/train"
)

// writeReport writes what the network that was kept scored, curves, the confusion matrix and what was trained how as
// one HTML file that needs nothing else.
func (r *round) writeReport(last epochResult) error {
	var b strings.Builder
	title := html.EscapeString(r.o.out)
	fmt.Fprintf(&b, `<!doctype html><html lang="en"><meta charset="utf-8"><title>%s</title>
<style>body{font:14px system-ui,sans-serif;margin:2em auto;max-width:56em;color:#222}svg{background:#fafafa;border:1px solid #ddd}
table{border-collapse:collapse;margin:.5em 0}td,th{border:1px solid #ddd;padding:2px 8px;text-align:right}th{font-weight:600}
td.l,th.l{text-align:left}</style>
<h1>%s</h1>`, title, title)
	held := "of the training images: none were held back"
	if r.val != nil {
		held = fmt.Sprintf("of %d held-back images", len(r.val.labels))
	}
	fmt.Fprintf(&b, `<p><b>%.2f %%</b> right %s after epoch %d.</p>`, 100*last.Top1, held, last.Epoch)
	r.reportFacts(&b)
	var loss, tr, val, rate []float64
	for _, e := range r.epochs {
		loss, tr, val, rate = append(loss, e.Loss), append(tr, 100*e.Train), append(val, 100*e.Top1), append(rate, float64(e.Rate))
	}
	first := r.epochs[0].Epoch
	curve(&b, "Loss", "", first, line{"training", "#c33", loss})
	curve(&b, "Right answers", " %", first, line{"training", "#36c", tr}, line{"validation", "#2a2", val})
	curve(&b, "Learning rate", "", first, line{"rate", "#777", rate})
	r.reportConfusion(&b)
	r.reportParts(&b)
	if len(r.skipped) > 0 {
		fmt.Fprintf(&b, "<h2>Left out</h2><ul>")
		for _, s := range r.skipped {
			fmt.Fprintf(&b, "<li>%s</li>", html.EscapeString(s))
		}
		b.WriteString("</ul>")
	}
	b.WriteString("</html>\n")
	return writeAtomic(r.o.report, []byte(b.String()))
}

// reportFacts is a table of what was trained on what.
func (r *round) reportFacts(b *strings.Builder) {
	names := r.trainer.Parameters()
	what := fmt.Sprintf("%d tensors: %s", len(names), strings.Join(names, ", "))
	if len(names) > 8 {
		what = fmt.Sprintf("%d tensors, from %s to %s", len(names), names[0], names[len(names)-1])
	}
	rows := [][2]string{
		{"model", r.m.path}, {"data", strings.Join(r.o.data, ", ")}, {"training images", fmt.Sprint(len(r.train.labels))},
		{"epochs", fmt.Sprint(r.total)}, {"minibatch", fmt.Sprintf("%d rows, %d an update at the end", r.batch, r.batch*r.gather(r.total-1))},
		{"optimizer", fmt.Sprintf("%s, schedule %s", r.o.optimizer, r.o.schedule)}, {"learns", what},
		{"device", r.deviceName()}, {"memory beside the model", bytesText(int64(r.trainer.PeakBytes()))}, {"time", time.Since(r.start).Round(time.Second / 10).String()},
	}
	if r.remark != "" {
		rows = append(rows, [2]string{"remark", r.remark})
	}
	if r.folds != nil {
		rows = append(rows, [2]string{"folds", fmt.Sprintf("%.2f %% on average", 100*r.foldTop1())})
	}
	b.WriteString("<table>")
	for _, row := range rows {
		fmt.Fprintf(b, `<tr><th class="l">%s</th><td class="l">%s</td></tr>`, row[0], html.EscapeString(row[1]))
	}
	b.WriteString("</table>")
}

// reportConfusion is a table of what images are and what the network says.
func (r *round) reportConfusion(b *strings.Builder) {
	b.WriteString("<h2>Confusion</h2><p>Rows: what it is; columns: what the network says.</p><table><tr><th></th>")
	for _, l := range r.meta.Labels {
		fmt.Fprintf(b, "<th>%s</th>", html.EscapeString(l))
	}
	b.WriteString("<th>right</th></tr>")
	for i, row := range r.confusion {
		sum := 0
		for _, n := range row {
			sum += n
		}
		fmt.Fprintf(b, `<tr><th class="l">%s</th>`, html.EscapeString(r.meta.Labels[i]))
		for j, n := range row {
			if n == 0 {
				b.WriteString("<td></td>")
				continue
			}
			colour := "51,102,204"
			if i != j {
				colour = "204,51,51"
			}
			fmt.Fprintf(b, `<td style="background:rgba(%s,%.2f)">%d</td>`, colour, 0.6*float64(n)/float64(sum), n)
		}
		fmt.Fprintf(b, "<td>%.0f %%</td></tr>", 100*float64(row[i])/float64(max(1, sum)))
	}
	b.WriteString("</table>")
}

// reportParts is what a sparse plan chose from.
func (r *round) reportParts(b *strings.Builder) {
	if r.sparse == nil {
		return
	}
	parts := slices.Clone(r.sparse.Parts)
	slices.SortStableFunc(parts, func(x, y train.Part) int { return cmp.Compare(y.Score, x.Score) })
	fmt.Fprintf(b, "<h2>Chosen within %s</h2><table><tr><th class=l>tensor</th><th>numbers</th><th>squared gradient</th><th>bytes more</th><th>learns</th></tr>", bytesText(int64(r.o.budget)))
	for _, p := range parts {
		mark := ""
		if p.Chosen {
			mark = "yes"
		}
		fmt.Fprintf(b, "<tr><td class=l>%s</td><td>%d</td><td>%.3g</td><td>%d</td><td>%s</td></tr>", html.EscapeString(p.Name), p.Elems, p.Score, p.Bytes, mark)
	}
	b.WriteString("</table>")
}

// line is one curve.
type line struct {
	name, colour string
	v            []float64
}

// curve draws lines over epochs, from 0 to the largest value.
func curve(b *strings.Builder, title, unit string, first int, lines ...line) {
	const w, h, left, right, top, bottom = 720, 240, 56, 12, 12, 28
	high := 1e-9
	for _, l := range lines {
		high = max(high, slices.Max(l.v))
	}
	n := len(lines[0].v)
	at := func(i int, v float64) (x, y float64) {
		return left + float64(i)*(w-left-right)/float64(max(1, n-1)), h - bottom - v/high*(h-top-bottom)
	}
	fmt.Fprintf(b, `<h2>%s</h2><p>`, title)
	for _, l := range lines {
		fmt.Fprintf(b, `<span style="color:%s">%s, at the end %.4g%s</span> `, l.colour, l.name, l.v[n-1], unit)
	}
	fmt.Fprintf(b, `</p><svg viewBox="0 0 %d %d" width="%d" font-size="11" fill="#555">`, w, h, w)
	for i := range 5 { // grid
		v := high * float64(i) / 4
		_, y := at(0, v)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#e4e4e4"/><text x="%d" y="%.1f" text-anchor="end">%.3g</text>`, left, y, w-right, left-6, y+4, v)
	}
	for i := 0; i < n; i += max(1, (n+9)/10) {
		x, _ := at(i, 0)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`, x, h-10, first+i)
	}
	for _, l := range lines {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, l.colour)
		for i, v := range l.v {
			x, y := at(i, v)
			fmt.Fprintf(b, "%.1f,%.1f ", x, y)
		}
		b.WriteString(`"/>`)
		if n == 1 { // a point is no line
			x, y := at(0, l.v[0])
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x, y, l.colour)
		}
	}
	b.WriteString("</svg>")
}
