package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// announce says what is about to be trained on what: the numbers that a user
// would otherwise have to work out from the flags and their defaults.
func (r *round) announce() {
	held := "none held back"
	if r.val != nil {
		held = fmt.Sprintf("%d for validation", len(r.val.labels))
	}
	r.say("%d images of %d classes%s to learn from, %s", len(r.train.labels), len(r.meta.Labels), r.shares(), held)
	what := map[bool]string{true: "the head learns", false: "%d tensors learn"}[r.head]
	if !r.head {
		what = fmt.Sprintf(what, len(r.trainer.Parameters()))
	}
	gathered := ""
	if r.accumulate > 1 {
		gathered = fmt.Sprintf(", %d of them an update", r.accumulate)
	}
	scaled := ""
	if len(r.o.scales) > 0 {
		scaled = " (" + r.o.scales.String() + ")"
	}
	r.say("%s: %s at %.3g%s, %s; %d epochs of %d steps of %d%s%s", what, r.o.optimizer, r.rate, scaled, r.o.schedule, r.total, r.steps, r.batch, gathered, r.augmented())
}

// shares are the images of each class, in brackets; of many classes the least
// and the most.
func (r *round) shares() string {
	n := make([]int, len(r.meta.Labels))
	for _, l := range r.train.labels {
		n[l]++
	}
	if len(n) > 6 {
		return fmt.Sprintf(" (%d to %d each)", slices.Min(n), slices.Max(n))
	}
	each := make([]string, len(n))
	for i, c := range r.meta.Labels {
		each[i] = fmt.Sprintf("%s %d", c, n[i])
	}
	return " (" + strings.Join(each, ", ") + ")"
}

// augmented names what becomes of images while they are trained on.
func (r *round) augmented() string {
	a, how := r.o.aug, []string{}
	if a.Flip {
		how = append(how, "mirrored")
	}
	if a.Shift > 0 {
		how = append(how, fmt.Sprintf("moved by %d", a.Shift))
	}
	if a.Zoom > 0 {
		how = append(how, fmt.Sprintf("zoomed to %.3g of them", a.Zoom))
	}
	if a.Colour > 0 {
		how = append(how, fmt.Sprintf("colours by %.3g", a.Colour))
	}
	if a.Erase > 0 {
		how = append(how, fmt.Sprintf("erased with %.3g", a.Erase))
	}
	if len(how) == 0 {
		return ""
	}
	if v := r.train.views(); v > 1 {
		return fmt.Sprintf("; %d pictures of each image, %s", v, strings.Join(how, ", "))
	}
	return "; images " + strings.Join(how, ", ")
}

// sayEpoch says what an epoch gave, and how long the rest will take if it goes on
// like this. first is the step that this run began with.
func (r *round) sayEpoch(e epochResult, first, at int, began time.Time) {
	if r.silent {
		return
	}
	held := "validation"
	if r.val == nil {
		held = "after it"
	}
	left := ""
	if todo := r.steps*r.total - at; todo > 0 {
		if d := time.Duration(float64(time.Since(began)) / float64(at-first) * float64(todo)).Round(time.Second); d > 0 {
			left = fmt.Sprintf(", %s left", d)
		}
	}
	r.say("epoch %d of %d: loss %.4f, training %.2f %%, %s %.2f %%, rate %.3g, %.1f ms a step%s",
		e.Epoch, r.total, e.Loss, 100*e.Train, held, 100*e.Top1, e.Rate, e.MsStep, left)
}
