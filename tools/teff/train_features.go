package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

// maxFeatureBytes bounds what features may take.
const maxFeatureBytes = 1 << 30

// cacheFeatures computes what the backbone makes of every image, once.
func (t *training) cacheFeatures(ctx context.Context, stores []*imageStore) error {
	backbone, head, err := train.Split(t.whole)
	if err != nil {
		return err
	}
	t.split = head
	for i, s := range stores {
		views := 1
		if i == 0 && !t.o.aug.IsZero() {
			if views = t.o.views; views == 0 { // for few images many, for many few
				views = min(4, max(1, 1600/len(s.labels)))
			}
		}
		if err := s.cache(ctx, t.c, backbone, views, t.o, t.quiet); err != nil {
			return err
		}
		s.kept = nil // features are all that is wanted from here on
	}
	return nil
}

// cache fills s.feature: the first view of an image is as it is, the second
// mirrored if that is asked for, the others augmented.
func (s *imageStore) cache(ctx context.Context, c *cli, backbone *graph.Graph, views int, o *trainOptions, quiet bool) error {
	m, err := runtime.New(backbone, runtime.WithThreads(o.threads))
	if err != nil {
		return err
	}
	defer m.Close()
	ses, err := m.NewSession()
	if err != nil {
		return err
	}
	defer ses.Close()
	out := ses.Output(0)
	if out.DType != tensor.F32 {
		return fmt.Errorf("the layer before the head gives %v", out.Spec)
	}
	s.width, s.views = out.Shape.Elems(), views
	if int64(len(s.labels))*int64(views)*int64(4*s.width) > maxFeatureBytes {
		return fmt.Errorf("the features of %d images, %d views of %d numbers each, do not fit in memory; use --views 1 or --what last:1", len(s.labels), views, s.width)
	}
	s.feature = make([]float32, 0, len(s.labels)*views*s.width)
	p := newProgress(c, "features", len(s.labels), quiet)
	rng := rand.New(rand.NewPCG(o.seed, 0xfea7))
	var dst *imageio.RGB
	for i := range s.labels {
		for v := range views {
			if err := ctx.Err(); err != nil {
				return err
			}
			a := o.aug
			if v == 0 {
				a = dataset.Augment{}
			}
			if dst, err = s.put(ses.Input(0), 0, i, a, rng, dst); err != nil {
				return err
			}
			if err := ses.Run(ctx); err != nil {
				return err
			}
			s.feature = append(s.feature, out.F32()...)
		}
		p.set(i + 1)
	}
	p.done()
	return nil
}

// centring moves features to mean 0, channel by channel, and to a mean square
// norm of 1, all alike: training is then well conditioned whatever a backbone
// gives. It is undone in the head's weights, exactly.
type centring struct {
	mean  []float32 // of each channel
	scale float32   // divides
}

// newCentring measures samples' features. It is nil where the head cannot take
// it over.
func newCentring(s *samples, head *graph.Graph) (*centring, error) {
	at, err := train.Head(head)
	if err != nil {
		return nil, err
	}
	n := head.Node(at)
	c := n.Params[0].Shape.Channels()
	if n.Params[0].Shape.Elems() != c*n.Params[0].Shape.Dim(0) || s.store.width%c != 0 {
		return nil, nil
	}
	sum, square := make([]float64, c), 0.0
	count := 0.0
	each := func(f func(i int, v float64)) {
		for i := range s.labels {
			for v := range s.views() {
				for j, x := range s.features(i, v) {
					f(j%c, float64(x))
				}
			}
		}
	}
	each(func(i int, v float64) { sum[i] += v; count++ })
	k := &centring{mean: make([]float32, c), scale: 1}
	if len(n.Params) > 1 {
		for i := range sum {
			k.mean[i] = float32(sum[i] / (count / float64(c)))
		}
	}
	each(func(i int, v float64) { d := v - float64(k.mean[i]); square += d * d })
	if s := math.Sqrt(square / (count / float64(c))); s > 1e-20 && !math.IsInf(s, 0) {
		k.scale = float32(s)
	}
	return k, nil
}

// apply writes centred features.
func (k *centring) apply(dst, src []float32) {
	c := len(k.mean)
	for at := 0; at < len(src); at += c {
		d := dst[at : at+c]
		for j, v := range src[at : at+c] {
			d[j] = (v - k.mean[j]) / k.scale
		}
	}
}

// into is the head for centred features that says what g's says for plain ones;
// undo goes back.
func (k *centring) into(g *graph.Graph, undo bool) (*graph.Graph, error) {
	at, err := train.Head(g)
	if err != nil {
		return nil, err
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if id != at {
			return b.Keep(n, in)
		}
		ps := make([]tensor.Tensor, len(n.Params))
		for i, p := range n.Params {
			ps[i] = p.Clone()
		}
		w, c, s := ps[0].F32(), len(k.mean), float64(k.scale)
		for o := range len(w) / c {
			row, shift := w[o*c:(o+1)*c], 0.0
			for j, v := range row {
				if undo {
					row[j] = float32(float64(v) / s)
					shift -= float64(v) / s * float64(k.mean[j])
				} else {
					row[j] = float32(float64(v) * s)
					shift += float64(v) * float64(k.mean[j])
				}
			}
			if len(ps) > 1 {
				ps[1].F32()[o] += float32(shift)
			}
		}
		return b.Add(n.Name, n.Op, ps, in...)
	})
}
