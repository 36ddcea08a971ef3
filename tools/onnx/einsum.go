package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/teff-ml/teff/ops"
)

// importEinsum writes a sum over products as matrix products: operands are
// joined two at a time, from the left. Of two, labels of one alone that nothing
// asks for later are summed; both are then turned and reshaped to
// [batch…, left, summed] and [batch…, summed, right], multiplied, and the
// result is turned back.
func importEinsum(c *call) error {
	if err := c.need(max(1, len(c.in))); err != nil {
		return err
	}
	ranks := make([]int, len(c.in))
	for i, v := range c.in {
		ranks[i] = v.rank()
	}
	terms, out, err := einsumTerms(c.string("equation", ""), ranks)
	if err != nil {
		return err
	}
	e := &einsum{call: c, size: map[rune]int{}}
	for i, v := range c.in {
		for j, l := range terms[i] {
			d := v.spec().Shape.Dim(j)
			if was, ok := e.size[l]; ok && was != d {
				return fmt.Errorf("equation %q: %q is %d and %d", c.string("equation", ""), l, was, d)
			}
			e.size[l] = d
		}
	}
	x, have := c.in[0], terms[0]
	for i := 1; i < len(terms); i++ {
		if x, have, err = e.join(x, have, c.in[i], terms[i], out, strings.Join(terms[i+1:], "")+string(out)); err != nil {
			return err
		}
	}
	if x, have, err = e.sum(x, have, out); err == nil {
		x, err = e.turn(x, have, out)
	}
	if err != nil {
		return err
	}
	c.set(0, x)
	return nil
}

// einsum is one node's work.
type einsum struct {
	*call
	size map[rune]int // of each label
}

// join multiplies x and y and sums what nobody wants later.
func (e *einsum) join(x *value, xs string, y *value, ys, out, later string) (*value, string, error) {
	x, xs, err := e.sum(x, xs, ys+later)
	if err != nil {
		return nil, "", err
	}
	if y, ys, err = e.sum(y, ys, xs+later); err != nil {
		return nil, "", err
	}
	var batch, left, both, right string
	for _, l := range xs {
		switch s := string(l); {
		case !strings.ContainsRune(ys, l):
			left += s
		case strings.ContainsRune(later, l):
			batch += s
		default:
			both += s
		}
	}
	for _, l := range ys {
		if !strings.ContainsRune(xs, l) {
			right += string(l)
		}
	}
	if x, err = e.turn(x, xs, batch+left+both); err == nil {
		y, err = e.turn(y, ys, batch+both+right)
	}
	if err != nil {
		return nil, "", err
	}
	if x, err = e.reshape(e.outName(0), x, append(e.sizes(batch), e.elems(left), e.elems(both))); err != nil {
		return nil, "", err
	}
	if y, err = e.reshape(e.outName(0), y, append(e.sizes(batch), e.elems(both), e.elems(right))); err != nil {
		return nil, "", err
	}
	z, err := e.product(x, y)
	if err != nil {
		return nil, "", err
	}
	z, err = e.reshape(e.outName(0), z, e.sizes(batch+left+right))
	return z, batch + left + right, err
}

// sum adds up the labels of x that are not wanted.
func (e *einsum) sum(x *value, xs, wanted string) (*value, string, error) {
	var axes []int
	left := ""
	for i, l := range xs {
		if strings.ContainsRune(wanted, l) {
			left += string(l)
		} else {
			axes = append(axes, i)
		}
	}
	if axes == nil {
		return x, xs, nil
	}
	y, err := e.add(e.outName(0), &ops.Reduce{Fn: ops.ReduceSum, Axes: axes}, x)
	return y, left, err
}

// turn brings the axes of x into another order.
func (e *einsum) turn(x *value, from, to string) (*value, error) {
	if from == to {
		return x, nil
	}
	perm := make([]int, len(to))
	for i, l := range []rune(to) {
		perm[i] = slices.Index([]rune(from), l)
	}
	return e.transpose(e.outName(0), x, perm)
}

func (e *einsum) sizes(labels string) []int {
	d := []int{}
	for _, l := range labels {
		d = append(d, e.size[l])
	}
	return d
}

func (e *einsum) elems(labels string) int {
	n := 1
	for _, d := range e.sizes(labels) {
		n *= d
	}
	return n
}

// einsumTerms are the labels of each operand and of the result, one rune an
// axis. An ellipsis becomes digits, counted from the last axis it stands for.
func einsumTerms(equation string, ranks []int) (terms []string, out string, err error) {
	bad := fmt.Errorf("equation %q for operands of %v dimensions", equation, ranks)
	left, out, explicit := strings.Cut(strings.ReplaceAll(equation, " ", ""), "->")
	terms = strings.Split(left, ",")
	if len(terms) != len(ranks) {
		return nil, "", bad
	}
	const digits = "543210"
	widest := ""
	for i, t := range terms {
		if before, after, dots := strings.Cut(t, "..."); dots {
			n := ranks[i] - len(before) - len(after)
			if n < 0 || n > len(digits) {
				return nil, "", bad
			}
			all := digits[len(digits)-n:]
			terms[i] = before + all + after
			widest = max(widest, all)
		}
		if len(terms[i]) != ranks[i] {
			return nil, "", bad
		}
	}
	all := strings.Join(terms, "")
	if !explicit {
		out = "..."
		letters := []rune(all)
		slices.Sort(letters)
		for _, l := range letters {
			if strings.Count(all, string(l)) == 1 && l > '9' {
				out += string(l)
			}
		}
	}
	out = strings.Replace(out, "...", widest, 1)
	for _, t := range append(slices.Clone(terms), out) {
		for _, l := range t {
			if !strings.ContainsRune(all, l) || !(l >= 'a' && l <= 'z' || l >= 'A' && l <= 'Z' || l >= '0' && l <= '5') {
				return nil, "", bad
			}
			if strings.Count(t, string(l)) > 1 {
				return nil, "", fmt.Errorf("equation %q takes a diagonal", equation)
			}
		}
	}
	return terms, out, nil
}
