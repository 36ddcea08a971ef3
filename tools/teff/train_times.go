package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/teff-ml/teff/runtime/train"
)

// stepTimes are the least times of each layer in the steps so far, for --layers.
type stepTimes struct {
	now, least []train.LayerTime
	steps      int
}

// trainLayer is one layer's times in milliseconds.
type trainLayer struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Out      string  `json:"out"`
	Forward  float64 `json:"forward_ms"`
	Backward float64 `json:"backward_ms"`
	Update   float64 `json:"update_ms"`
}

// watch has the trainer's steps timed layer by layer.
func (r *round) watch() {
	if t, ok := r.trainer.(*train.Trainer); ok && r.o.timed && !r.silent {
		r.times.now = t.Profile()
	}
}

// note takes in the step just done.
func (s *stepTimes) note() {
	s.steps++
	if s.least == nil {
		s.least = slices.Clone(s.now)
		return
	}
	for i, n := range s.now {
		l := &s.least[i]
		l.Forward, l.Backward, l.Update = min(l.Forward, n.Forward), min(l.Backward, n.Backward), min(l.Update, n.Update)
	}
}

// layers are those that take time, in the network's order.
func (s *stepTimes) layers() []trainLayer {
	var ls []trainLayer
	for _, l := range s.least {
		if l.Forward+l.Backward+l.Update > 0 {
			ls = append(ls, trainLayer{l.Name, l.Kind.String(), l.Out.String(), ms(l.Forward), ms(l.Backward), ms(l.Update)})
		}
	}
	return ls
}

// print writes a line for each layer, then the sums.
func (s *stepTimes) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "layer\top\tresult\tforward ms\tbackward ms\tupdate ms")
	for _, l := range s.layers() {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.3f\t%.3f\t%.3f\n", short(l.Name), l.Kind, l.Out, l.Forward, l.Backward, l.Update)
	}
	var f, b, u time.Duration
	for _, l := range s.least {
		f, b, u = f+l.Forward, b+l.Backward, u+l.Update
	}
	fmt.Fprintf(tw, "all\t\tleast of %d steps\t%.3f\t%.3f\t%.3f\n", s.steps, ms(f), ms(b), ms(u))
	return tw.Flush()
}
