package main

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

// feed makes minibatches. Of images it makes them one ahead, on one goroutine
// of its own beside the step's workers: it sleeps as soon as the next minibatch
// is there, so two cores train at almost full speed. Of features it copies.
type feed struct {
	r      *round
	labels []int32 // of the minibatch that next brought

	ready, free chan *minibatch
	cancel      context.CancelFunc
	wait        sync.WaitGroup
	at          int // step, of features
	epoch       int // the order is of
	order       []int
}

type minibatch struct {
	x      tensor.Tensor
	labels []int32
	err    error
}

// newFeed begins at a step counted from the first epoch's first.
func (r *round) newFeed(ctx context.Context, first int) *feed {
	f := &feed{r: r, at: first, epoch: -1, labels: make([]int32, r.batch)}
	if r.train.store.feature != nil {
		return f
	}
	f.ready, f.free = make(chan *minibatch, 1), make(chan *minibatch, 2)
	for range cap(f.free) {
		f.free <- &minibatch{x: tensor.New(r.trainer.Input(0).Spec), labels: make([]int32, r.batch)}
	}
	ctx, f.cancel = context.WithCancel(ctx)
	f.wait.Go(func() { f.make(ctx, first) })
	return f
}

// stop ends the goroutine and waits for it.
func (f *feed) stop() {
	if f.cancel != nil {
		f.cancel()
		f.wait.Wait()
	}
}

// index is the rows of a step: samples, or samples and views of them. Each
// epoch has an order that the seed alone decides.
func (f *feed) index(step int) []int {
	r := f.r
	if e := step / r.steps; e != f.epoch {
		f.epoch, f.order = e, shuffled(len(r.train.labels)*r.train.views(), r.o.seed, uint64(e))
	}
	s := step % r.steps
	return f.order[s*r.batch : (s+1)*r.batch]
}

// make fills minibatches until the last step.
func (f *feed) make(ctx context.Context, first int) {
	defer close(f.ready)
	var dst *imageio.RGB
	r := f.r
	for step := first; step < r.steps*r.total; step++ {
		var b *minibatch
		select {
		case b = <-f.free:
		case <-ctx.Done():
			return
		}
		rng := rand.New(rand.NewPCG(r.o.seed, uint64(step)))
		b.err = nil
		for k, i := range f.index(step) {
			b.labels[k] = int32(r.train.labels[i])
			if dst, b.err = r.train.store.put(b.x, k, r.train.index[i], r.o.aug, rng, dst); b.err != nil {
				break
			}
		}
		select {
		case f.ready <- b:
		case <-ctx.Done():
			return
		}
	}
}

// next writes the next minibatch into the trainer's input and target.
func (f *feed) next(t learner) error {
	y := t.Target().I32()
	if f.ready == nil {
		f.features(t, f.at)
		f.at++
		copy(y, f.labels)
		return nil
	}
	b, ok := <-f.ready
	if !ok {
		return context.Canceled
	}
	if b.err != nil {
		return b.err
	}
	copy(t.Input(0).Data, b.x.Data)
	copy(f.labels, b.labels)
	copy(y, b.labels)
	f.free <- b
	return nil
}

// features writes the rows of a step.
func (f *feed) features(t learner, step int) {
	r := f.r
	x, w, views := t.Input(0).F32(), r.train.store.width, r.train.views()
	for k, i := range f.index(step) {
		f.labels[k] = int32(r.train.labels[i/views])
		r.row(x[k*w:(k+1)*w], r.train, i/views, i%views)
	}
}

// row writes features as the trainer wants them.
func (r *round) row(dst []float32, s *samples, i, view int) {
	if src := s.features(i, view); r.centring != nil {
		r.centring.apply(dst, src)
	} else {
		copy(dst, src)
	}
}

// putPlain writes sample i as row k of an input, as it is.
func (r *round) putPlain(t tensor.Tensor, k int, s *samples, i int) error {
	if s.store.feature != nil {
		r.row(t.F32()[k*s.store.width:(k+1)*s.store.width], s, i, 0)
		return nil
	}
	_, err := s.store.put(t, k, s.index[i], dataset.Augment{}, nil, nil)
	return err
}
