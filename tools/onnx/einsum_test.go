package onnx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// plainEinsum is the definition: for every value of every label the product of
// all operands, added to the result's element.
func plainEinsum(terms []string, out string, size map[rune]int, in []tensor.Tensor) []float32 {
	labels := []rune{}
	for l := range size {
		labels = append(labels, l)
	}
	at := map[rune]int{}
	offset := func(t string) int {
		o := 0
		for _, l := range t {
			o = o*size[l] + at[l]
		}
		return o
	}
	n := 1
	for _, l := range out {
		n *= size[l]
	}
	y := make([]float32, n)
	var walk func(i int)
	walk = func(i int) {
		if i == len(labels) {
			p := float32(1)
			for j, t := range terms {
				p *= in[j].F32()[offset(t)]
			}
			y[offset(out)] += p
			return
		}
		for at[labels[i]] = 0; at[labels[i]] < size[labels[i]]; at[labels[i]]++ {
			walk(i + 1)
		}
	}
	walk(0)
	return y
}

// TestEinsum compares with the definition: the first operand comes in, the
// others do or are constants; the first label of the first is the open batch.
func TestEinsum(t *testing.T) {
	size := map[rune]int{'b': 2, 'h': 3, 'i': 4, 'j': 5, 'd': 3, 'c': 2, 'k': 4, '0': 5, '1': 3}
	for _, c := range []struct{ equation, terms, out string }{
		{"bhid,bhjd->bhij", "bhid,bhjd", "bhij"},
		{"bhij,bhjd->bhid", "bhij,bhjd", "bhid"},
		{"bij,jk->bik", "bij,jk", "bik"},
		{"bij,jk", "bij,jk", "bik"},
		{"bchi , cd -> bdhi", "bchi,cd", "bdhi"},
		{"bcij->bc", "bcij", "bc"},
		{"bij->jib", "bij", "jib"},
		{"bij->", "bij", ""},
		{"bij,bij->b", "bij,bij", "b"},
		{"bi,j->bij", "bi,j", "bij"},
		{"bi,bj->ijb", "bi,bj", "ijb"},
		{"bic,ijd->bj", "bic,ijd", "bj"},
		{"bi,ij,jk->bk", "bi,ij,jk", "bk"},
		{"bi,bij,bj->b", "bi,bij,bj", "b"},
		{"b...j,jk->b...k", "b10j,jk", "b10k"},
		{"...j,jk", "b10j,jk", "b10k"},
	} {
		for _, constant := range []bool{true, false} {
			t.Run(fmt.Sprint(c.equation, constant), func(t *testing.T) {
				terms := strings.Split(c.terms, ",")
				b := newModel(17).output("y")
				var names []string
				var all, in []tensor.Tensor
				used := map[rune]int{}
				for i, term := range terms {
					var dims, open []int
					for _, l := range term {
						used[l] = size[l]
						dims, open = append(dims, size[l]), append(open, size[l])
						if l == 'b' {
							open[len(open)-1] = -1
						}
					}
					n := tensor.Of(dims...).Elems()
					x := tensor.FromF32(ramp(n), dims...)
					for k := range x.F32() {
						x.F32()[k] = float32((k*7+i*3)%11) - 4
					}
					all = append(all, x)
					if constant && i > 0 && !strings.Contains(term, "b") {
						names = append(names, b.w.constant("w", x))
						continue
					}
					name := fmt.Sprint("x", i)
					if !strings.Contains(term, "b") {
						open = dims
					}
					b.input(name, open...)
					names, in = append(names, name), append(in, x)
				}
				b.node("Einsum", names, []string{"y"}, func(a *attrs) { a.str("equation", c.equation) })
				g, err := ImportBytes(b.bytes())
				require.NoError(t, err)
				h, err := g.WithBatch(size['b'])
				require.NoError(t, err)
				y := eval(t, h, in...)[0]
				require.Len(t, c.out, y.Shape.Rank())
				for i, l := range c.out {
					require.Equal(t, size[l], y.Shape.Dim(i))
				}
				require.Equal(t, plainEinsum(terms, c.out, used, all), y.F32()) // integers: exact in any order
			})
		}
	}
	for _, equation := range []string{"bii->b", "bij->bx", "bij,bjk->bik", "bi->b", "b...i...->b", "b?j->b", "bbb->b", "", "bij->bb"} {
		b := newModel(17).input("x", -1, 4, 4).output("y")
		b.node("Einsum", []string{"x"}, []string{"y"}, func(a *attrs) { a.str("equation", equation) })
		_, err := ImportBytes(b.bytes())
		require.ErrorContains(t, err, "equation", equation)
	}
	b := newModel(17).input("x", 3, 4).input("z", 5, 6).output("y")
	b.node("Einsum", []string{"x", "z"}, []string{"y"}, func(a *attrs) { a.str("equation", "ij,jk->ik") })
	_, err := ImportBytes(b.bytes())
	require.ErrorContains(t, err, "is 4 and 5")
}
