package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

// samples are the images of a set at the network's size, 8 bits a channel, or
// their features.
type samples struct {
	images  []*imageio.RGB
	labels  []int
	skipped []string
	p       format.Preprocess
	feature []float32 // [n][width], nil: images
	width   int
	aug     *imageio.RGB
}

// maxSampleBytes bounds what a set may take in memory.
const maxSampleBytes = 1 << 30

func loadSamples(c *cli, set *dataset.Set, p format.Preprocess, in tensor.Spec, o *trainOptions, quiet bool) (*samples, error) {
	if int64(set.Len())*int64(3*p.Width*p.Height) > maxSampleBytes {
		return nil, fmt.Errorf("%d images of %d x %d do not fit in memory", set.Len(), p.Width, p.Height)
	}
	s := &samples{p: p, skipped: set.Skipped}
	pr := newProgress(c, "read", set.Len(), quiet)
	for i := range set.Len() {
		m, err := set.Image(i)
		if err == nil {
			m, err = imageio.Scaled(m, p)
		}
		if err != nil {
			if s.skipped = append(s.skipped, err.Error()); len(s.skipped) > o.skip {
				return nil, fmt.Errorf("%d images cannot be read, the last: %w", len(s.skipped), err)
			}
			continue
		}
		s.images = append(s.images, m)
		s.labels = append(s.labels, set.Labels[i])
		pr.set(i + 1)
	}
	pr.done()
	s.p.Resize = 0 // done
	return s, nil
}

// features replaces the images by what the backbone makes of them.
func (s *samples) features(c *cli, backbone *graph.Graph, threads int, quiet bool) error {
	m, err := runtime.New(backbone, runtime.WithThreads(threads))
	if err != nil {
		return err
	}
	defer m.Close()
	ses, err := m.NewSession()
	if err != nil {
		return err
	}
	out := ses.Output(0)
	if out.DType != tensor.F32 {
		return fmt.Errorf("the layer before the head gives %v", out.Spec)
	}
	s.width = out.Shape.Elems()
	p := newProgress(c, "features", len(s.images), quiet)
	for i, img := range s.images {
		if err := imageio.Into(ses.Input(0), 0, img, s.p); err != nil {
			return err
		}
		if err := ses.Run(context.Background()); err != nil {
			return err
		}
		s.feature = append(s.feature, out.F32()...)
		p.set(i + 1)
	}
	p.done()
	s.images = nil
	return nil
}

// fill writes a minibatch into the trainer's input. seed makes the
// augmentation of this step.
func (s *samples) fill(t *train.Trainer, index []int, o *trainOptions, seed uint64) error {
	y := t.Target().I32()
	rng := rand.New(rand.NewPCG(o.seed, seed))
	for k, i := range index {
		y[k] = int32(s.labels[i])
		if s.feature != nil {
			copy(t.Input(0).F32()[k*s.width:], s.feature[i*s.width:(i+1)*s.width])
			continue
		}
		if err := imageio.Into(t.Input(0), k, s.augmented(s.images[i], o, rng), s.p); err != nil {
			return err
		}
	}
	return nil
}

// augmented is the image moved and mirrored at random.
func (s *samples) augmented(m *imageio.RGB, o *trainOptions, rng *rand.Rand) *imageio.RGB {
	if !o.flip && o.crop == 0 {
		return m
	}
	if s.aug == nil {
		s.aug = &imageio.RGB{W: m.W, H: m.H, Pix: make([]uint8, len(m.Pix))}
	}
	dx, dy := 0, 0
	if o.crop > 0 {
		dx, dy = rng.IntN(2*o.crop+1)-o.crop, rng.IntN(2*o.crop+1)-o.crop
	}
	mirror := o.flip && rng.IntN(2) == 1
	for y := range m.H {
		for x := range m.W {
			sx, sy := x, min(max(y+dy, 0), m.H-1)
			if mirror {
				sx = m.W - 1 - x
			}
			sx = min(max(sx+dx, 0), m.W-1)
			copy(s.aug.Pix[3*(y*m.W+x):][:3], m.Pix[3*(sy*m.W+sx):])
		}
	}
	return s.aug
}

// shuffled is 0 to n-1 in an order that the seeds alone decide.
func shuffled(n int, seed, epoch uint64) []int {
	return rand.New(rand.NewPCG(seed, epoch^0x5eed)).Perm(n)
}

// holdBack splits a set: the same share of every class is kept for validation.
func holdBack(set *dataset.Set, share float64, seed uint64) (training, validation *dataset.Set) {
	by := make([][]int, len(set.Classes))
	for _, i := range shuffled(set.Len(), seed, 1<<40) {
		by[set.Labels[i]] = append(by[set.Labels[i]], i)
	}
	var a, b []int
	for _, list := range by {
		n := int(float64(len(list))*share + 0.5)
		b = append(b, list[:n]...)
		a = append(a, list[n:]...)
	}
	if len(b) == 0 {
		return set.Subset(a), set.Subset(a)
	}
	return set.Subset(a), set.Subset(b)
}

// countRight counts rows whose largest score is the label's.
func countRight(scores []float32, labels []int, index []int) int {
	n, right := len(scores)/len(index), 0
	for k, i := range index {
		best := 0
		row := scores[k*n : (k+1)*n]
		for c, v := range row {
			if v > row[best] {
				best = c
			}
		}
		if best == labels[i] {
			right++
		}
	}
	return right
}

// validate runs the network as it is now on the held-back images.
func (t *training) validate() (float64, error) {
	g, err := t.trainer.Graph()
	if err != nil {
		return 0, err
	}
	m, err := runtime.New(g, runtime.WithThreads(t.o.threads))
	if err != nil {
		return 0, err
	}
	defer m.Close()
	ses, err := m.NewSession()
	if err != nil {
		return 0, err
	}
	classes := len(t.meta.Labels)
	t.confusion = make([][]int, classes)
	for i := range t.confusion {
		t.confusion[i] = make([]int, classes)
	}
	right := 0
	for i, want := range t.val.labels {
		if t.val.feature != nil {
			copy(ses.Input(0).F32(), t.val.feature[i*t.val.width:(i+1)*t.val.width])
		} else if err := imageio.Into(ses.Input(0), 0, t.val.images[i], t.val.p); err != nil {
			return 0, err
		}
		if err := ses.Run(context.Background()); err != nil {
			return 0, err
		}
		top := best(ses.Output(0).F32(), nil, 1)[0].Class
		if top < classes {
			t.confusion[want][top]++
		}
		if top == want {
			right++
		}
	}
	return float64(right) / float64(max(1, len(t.val.labels))), nil
}
