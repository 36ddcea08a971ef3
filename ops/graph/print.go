package graph

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
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

// SameOp reports whether two operators are of one kind with equal attributes:
// lists by their elements, floats by their bits.
func SameOp(a, b ops.Op) bool { return bytes.Equal(AppendOp(nil, a), AppendOp(nil, b)) }

// AppendOp appends an operator's kind and attributes to b, in a form of this
// process's own that is equal for two operators exactly if SameOp says so of them.
func AppendOp(b []byte, op ops.Op) []byte {
	k := attrKey(b)
	k.int(int(op.Kind()))
	op.Fields(&k)
	return k
}

type attrKey []byte

//go:noinline
func (k *attrKey) int(v int) { *k = binary.AppendVarint(*k, int64(v)) }

func (k *attrKey) Bool(_ string, v *bool) {
	n := 0
	if *v {
		n = 1
	}
	k.int(n)
}

func (k *attrKey) Int(_ string, v *int) { k.int(*v) }

func (k *attrKey) Float(_ string, v *float32) { k.int(int(math.Float32bits(*v))) }

func (k *attrKey) String(_ string, v *string) {
	k.int(len(*v))
	*k = append(*k, *v...)
}

func (k *attrKey) Ints(_ string, v *[]int) {
	k.int(len(*v))
	for _, x := range *v {
		k.int(x)
	}
}

func (k *attrKey) Floats(name string, v *[]float32) {
	k.int(len(*v))
	for i := range *v {
		k.Float(name, &(*v)[i])
	}
}

type attrPrinter struct{ parts []string }

//go:noinline
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
