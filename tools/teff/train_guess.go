package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/dataset"
)

// scaling is one of the usual ways to turn pixels into numbers.
type scaling struct {
	name string
	p    format.Preprocess
}

// imageNetPixels is how torchvision's networks and most others that were trained on
// ImageNet want pixels.
func imageNetPixels() format.Preprocess {
	return format.Preprocess{Scale: 1.0 / 255, Mean: []float32{.485, .456, .406}, Std: []float32{.229, .224, .225}}
}

// scalings are the ways that trained networks expect, those of the framework
// that a layout points to first.
func scalings(p format.Preprocess) []scaling {
	imagenet := scaling{"mean and deviation of ImageNet", imageNetPixels()}
	both := scaling{"-1 to 1", format.Preprocess{Mean: []float32{127.5}, Std: []float32{127.5}}}
	one := scaling{"0 to 1", format.Preprocess{Scale: 1.0 / 255}}
	raw := scaling{"0 to 255", format.Preprocess{Scale: 1}}
	switch {
	case p.Order == "gray":
		return []scaling{one, both, raw}
	case p.Layout == "nchw": // PyTorch
		return []scaling{imagenet, one, both, raw}
	}
	return []scaling{both, one, raw, imagenet}
}

// guessImages is how many images the scalings are tried on.
const guessImages = 160

// preprocessing is p, completed where nothing says what a trained network
// expects: every usual scaling is tried, and the one whose features a linear
// head learns best from is taken. For integers their own scale says it, and a
// fresh network learns from any.
func (t *training) preprocessing(ctx context.Context, set *dataset.Set, p format.Preprocess, known bool) (format.Preprocess, error) {
	in := t.whole.Node(t.whole.Inputs()[0]).Out
	if known || t.fresh || in.DType != tensor.F32 {
		return p, nil
	}
	with := func(s scaling) format.Preprocess {
		q := p
		q.Scale, q.Mean, q.Std = s.p.Scale, s.p.Mean, s.p.Std
		return q
	}
	ways := scalings(p)
	backbone, _, err := train.Split(t.whole)
	few := set.Len() < 10*len(set.Classes)
	if err != nil || few {
		t.remark = "nothing says how pixels are scaled; taking " + ways[0].name
		t.say("%s", t.remark)
		return with(ways[0]), nil
	}
	best, bestLoss, tried := 0, 0.0, []string{}
	for i, w := range ways {
		loss, err := t.tryScaling(ctx, set, with(w), backbone)
		if err != nil {
			return p, err
		}
		tried = append(tried, fmt.Sprintf("%s %.3f", w.name, loss))
		if i == 0 || loss < 0.85*bestLoss { // the usual one, unless another is better by more than chance
			best, bestLoss = i, loss
		}
	}
	t.remark = fmt.Sprintf("nothing says how pixels are scaled; a head's held-back loss: %s; taking %s", strings.Join(tried, ", "), ways[best].name)
	t.say("%s", t.remark)
	return with(ways[best]), nil
}

// tryScaling is the loss on held-back images of a head trained on the features
// of a few.
func (t *training) tryScaling(ctx context.Context, set *dataset.Set, p format.Preprocess, backbone *graph.Graph) (float64, error) {
	n := min(guessImages, set.Len())
	s, err := openStore(ctx, t.c, set.Subset(shuffled(set.Len(), t.o.seed, 1<<41)[:n]), p, set.Len(), true)
	if err != nil {
		return 0, err
	}
	o := *t.o
	if err := s.cache(ctx, t.c, backbone, 1, &o, true); err != nil {
		return 0, err
	}
	sum, rows := 0.0, 0
	parts := s.parts(4, t.o.seed)
	for k := range parts {
		var rest []int
		for j, part := range parts {
			if j != k {
				rest = append(rest, part...)
			}
		}
		loss, err := probe(s.pick(rest), s.pick(parts[k]), len(set.Classes))
		if err != nil {
			return 0, err
		}
		sum += loss * float64(len(parts[k]))
		rows += len(parts[k])
	}
	return sum / float64(rows), nil
}

// probe is the mean loss on val of a linear classifier trained on tr's
// features.
func probe(tr, val *samples, classes int) (float64, error) {
	b := graph.NewBuilder("probe")
	x := b.Input("features", tensor.F32Spec(1, tr.store.width), true)
	b.Output("scores", b.Add("head", &ops.Dense{}, []tensor.Tensor{tensor.New(tensor.F32Spec(classes, tr.store.width)), tensor.New(tensor.F32Spec(classes))}, x))
	g, err := b.Build()
	if err != nil {
		return 0, err
	}
	c, err := newCentring(tr, g)
	if err != nil {
		return 0, err
	}
	step := func(g *graph.Graph, s *samples, steps int, rate float32) (*graph.Graph, float64, error) {
		t, err := train.New(g, train.Config{
			Batch: len(s.labels), Threads: 1, Schedule: train.Cosine(rate, steps), Optimizer: train.SGD{Momentum: 0.9, WeightDecay: headDecay},
		})
		if err != nil {
			return nil, 0, err
		}
		defer t.Close()
		loss := float32(0)
		for range steps {
			x, y := t.Input(0).F32(), t.Target().I32()
			for i, l := range s.labels {
				c.apply(x[i*s.store.width:(i+1)*s.store.width], s.features(i, 0))
				y[i] = int32(l)
			}
			if loss, err = t.StepInPlace(); err != nil {
				return nil, 0, err
			}
		}
		g, err = t.Graph()
		return g, float64(loss), err
	}
	if g, _, err = step(g, tr, 150, headRate); err != nil {
		return 0, err
	}
	_, loss, err := step(g, val, 1, 0)
	return loss, err
}
