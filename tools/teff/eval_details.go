package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// evalDetails counts what the images of each class were taken for.
type evalDetails struct {
	e     *evaluator
	list  bool
	taken []map[int]int // by class of the data: answers
	wrong []evalWrong
}

// newEvalDetails listens to e; list keeps every image with a wrong answer.
func newEvalDetails(e *evaluator, list bool) *evalDetails {
	d := &evalDetails{e: e, list: list, taken: make([]map[int]int, len(e.set.Classes))}
	for i := range d.taken {
		d.taken[i] = map[int]int{}
	}
	class := e.classOf()
	e.scores = func(i int, v []float32) {
		is, top := e.set.Labels[i], argmax(v)
		d.taken[is][top]++
		if list && top != class[is] {
			d.wrong = append(d.wrong, evalWrong{e.set.File(i), e.set.Classes[is], d.name(top), score(v[top])})
		}
	}
	return d
}

// name is the name of one of the model's classes.
func (d *evalDetails) name(class int) string {
	if class < len(d.e.labels) {
		return d.e.labels[class]
	}
	for i, c := range d.e.classOf() {
		if c == class {
			return d.e.set.Classes[i]
		}
	}
	return fmt.Sprint(class)
}

// numbered reports names that are numbers.
func numbered(classes []string) bool {
	return !slices.ContainsFunc(classes, func(c string) bool { _, err := strconv.Atoi(c); return err != nil })
}

// into adds the details to a result.
func (d *evalDetails) into(r *evalResult) {
	r.Wrong = d.wrong
	class, byName := d.e.classes()
	if !byName && !numbered(d.e.set.Classes) {
		r.Remarks = append(r.Remarks, fmt.Sprintf("the model does not name these classes: they were taken in order, %s as %d; --label-offset moves them", d.e.set.Classes[0], class[0]))
	}
	for i, want := range class {
		c := evalClass{Class: d.e.set.Classes[i]}
		other := -1
		for answer, n := range d.taken[i] {
			c.N += n
			switch {
			case answer == want:
				c.Right = n
			case n > c.Times || n == c.Times && answer < other:
				other, c.Times = answer, n
			}
		}
		if other >= 0 {
			c.TakenFor = d.name(other)
		}
		r.Classes = append(r.Classes, c)
	}
}

// maxEvalClasses is how many classes are said something of, one a line.
const maxEvalClasses = 20

func (r *evalResult) print(w io.Writer) {
	fmt.Fprintf(w, "%d images: top-1 %.2f %%", r.N, 100*r.Top1)
	if len(r.Classes) > 5 { // of five or fewer all are among the first five
		fmt.Fprintf(w, ", top-5 %.2f %%", 100*r.Top5)
	}
	fmt.Fprintln(w)
	for _, s := range r.Remarks {
		fmt.Fprintln(w, s)
	}
	if len(r.Classes) <= maxEvalClasses {
		for _, c := range r.Classes {
			if c.N == 0 {
				continue
			}
			fmt.Fprintf(w, "  %-16s %6.2f %% of %d", c.Class, 100*float64(c.Right)/float64(c.N), c.N)
			if c.Times > 0 {
				fmt.Fprintf(w, ", %d taken for %s", c.Times, c.TakenFor)
			}
			fmt.Fprintln(w)
		}
	}
	for _, x := range r.Wrong {
		fmt.Fprintf(w, "wrong %s: %s, %.4f\n", x.File, x.Answer, x.Score)
	}
}
