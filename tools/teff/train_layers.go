package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/runtime/train"
)

// layerScales are the flags --lr-scale: what the rate of layers is multiplied by.
type layerScales []layerScale

type layerScale struct {
	pattern string
	scale   float32
}

func (l *layerScales) String() string {
	var s []string
	for _, x := range *l {
		s = append(s, fmt.Sprintf("%s=%.3g", x.pattern, x.scale))
	}
	return strings.Join(s, ", ")
}

// Set reads PATTERN=X.
func (l *layerScales) Set(s string) error {
	pattern, number, ok := cutLast(s, "=")
	v, err := strconv.ParseFloat(number, 32)
	if !ok || pattern == "" || err != nil || !(v >= 0 && v <= math.MaxFloat32) {
		return fmt.Errorf("%q, want PATTERN=X with X from 0", s)
	}
	*l = append(*l, layerScale{pattern, float32(v)})
	return nil
}

// cutLast is strings.Cut at the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// fits reports whether a parameter is of a pattern: its layer's name, or that with its
// number (conv1.0 for weights, conv1.1 for a bias), where * stands for any letters.
func fits(pattern string, n *graph.Node, param int) bool {
	return matches(pattern, n.Name) || matches(pattern, fmt.Sprintf("%s.%d", n.Name, param))
}

func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if len(parts) == 1 || !ok {
		return ok && rest == ""
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// layers has single layers of g trained as --lr-scale and --no-decay say.
func (o *trainOptions) layers(g *graph.Graph, cfg *train.Config) error {
	check := func(flag, pattern string) error {
		for i := range g.Len() {
			n := g.Node(graph.ID(i))
			for j := range n.Params {
				if len(n.In) > 0 && fits(pattern, n, j) {
					return nil
				}
			}
		}
		return fmt.Errorf("%s %q: no layer that could learn is called so; teff inspect --graph lists names", flag, pattern)
	}
	for _, s := range o.scales {
		if err := check("--lr-scale", s.pattern); err != nil {
			return err
		}
	}
	for _, p := range o.noDecay {
		if err := check("--no-decay", p); err != nil {
			return err
		}
	}
	if len(o.scales) > 0 {
		cfg.Rates = func(n *graph.Node, param int) float32 {
			scale := float32(1)
			for _, s := range o.scales {
				if fits(s.pattern, n, param) {
					scale = s.scale // the last that fits
				}
			}
			return scale
		}
	}
	if len(o.noDecay) > 0 {
		cfg.Decays = func(n *graph.Node, param int) bool {
			for _, p := range o.noDecay {
				if fits(p, n, param) {
					return false
				}
			}
			return train.Weights(n, param)
		}
	}
	return nil
}
