package graph

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/teff-ml/teff/ops"
)

// Print writes the graph as text, one line a node: its ID, name, operator with
// the attributes that are not zero, inputs, parameters and result.
func Print(w io.Writer, g *Graph) error {
	if g == nil {
		return ErrNil
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		var b strings.Builder
		fmt.Fprintf(&b, "%%%d = %v", i, n.Op.Kind())
		if a := Attributes(n.Op); a != "" {
			fmt.Fprintf(&b, "{%s}", a)
		}
		b.WriteByte('(')
		for j, x := range n.In {
			if j > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%%%d", x)
		}
		for j, p := range n.Params {
			if j+len(n.In) > 0 {
				b.WriteString(", ")
			}
			b.WriteString(p.Spec.String())
		}
		fmt.Fprintf(&b, ") : %v  # %s\n", n.Out, n.Name)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	for _, o := range g.outputs {
		if _, err := fmt.Fprintf(w, "return %q %%%d\n", o.Name, o.ID); err != nil {
			return err
		}
	}
	return nil
}

// String is what Print writes.
func (g *Graph) String() string {
	var b strings.Builder
	_ = Print(&b, g) // a strings.Builder does not fail
	return b.String()
}

// Attributes are an operator's attributes that are not zero: "stride=[2 2] groups=1".
func Attributes(op ops.Op) string {
	var p attrPrinter
	op.Fields(&p)
	return strings.Join(p.parts, " ")
}

// SameOp reports whether two operators are of one kind with equal attributes.
func SameOp(a, b ops.Op) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	var x, y attrList
	a.Fields(&x)
	b.Fields(&y)
	if len(x.values) != len(y.values) {
		return false
	}
	for i, v := range x.values {
		if !sameAttr(v, y.values[i]) {
			return false
		}
	}
	return true
}

// sameAttr compares two attributes of the types that Fields shows; lists by
// their elements, floats by their bits.
func sameAttr(a, b any) bool {
	switch x := a.(type) {
	case []int:
		y, ok := b.([]int)
		return ok && slices.Equal(x, y)
	case []float32:
		y, ok := b.([]float32)
		return ok && slices.EqualFunc(x, y, func(u, v float32) bool { return math.Float32bits(u) == math.Float32bits(v) })
	case float32:
		y, ok := b.(float32)
		return ok && math.Float32bits(x) == math.Float32bits(y)
	}
	return a == b
}

type attrPrinter struct{ parts []string }

func (p *attrPrinter) add(name, v string) { p.parts = append(p.parts, name+"="+v) }

func (p *attrPrinter) Bool(name string, v *bool) {
	if *v {
		p.parts = append(p.parts, name)
	}
}
func (p *attrPrinter) Int(name string, v *int) {
	if *v != 0 {
		p.add(name, strconv.Itoa(*v))
	}
}
func (p *attrPrinter) Float(name string, v *float32) {
	if *v != 0 {
		p.add(name, strconv.FormatFloat(float64(*v), 'g', -1, 32))
	}
}
func (p *attrPrinter) String(name string, v *string) {
	if *v != "" {
		p.add(name, strconv.Quote(*v))
	}
}
func (p *attrPrinter) Ints(name string, v *[]int) {
	if len(*v) > 0 {
		p.add(name, fmt.Sprint(*v))
	}
}
func (p *attrPrinter) Floats(name string, v *[]float32) {
	if len(*v) > 0 {
		p.add(name, fmt.Sprint(*v))
	}
}

// attrList collects values for comparison; an empty list equals a nil one.
type attrList struct{ values []any }

func (l *attrList) Bool(_ string, v *bool)     { l.values = append(l.values, *v) }
func (l *attrList) Int(_ string, v *int)       { l.values = append(l.values, *v) }
func (l *attrList) Float(_ string, v *float32) { l.values = append(l.values, *v) }
func (l *attrList) String(_ string, v *string) { l.values = append(l.values, *v) }
func (l *attrList) Ints(_ string, v *[]int) {
	l.values = append(l.values, append([]int{}, *v...))
}
func (l *attrList) Floats(_ string, v *[]float32) {
	l.values = append(l.values, append([]float32{}, *v...))
}
