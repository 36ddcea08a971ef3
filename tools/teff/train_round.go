package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
)

// round is one training from the network as it was to the end.
type round struct {
	*training
	whole      *graph.Graph // with statistics estimated anew, if asked for
	train, val *samples
	trainer    learner
	sparse     *train.Sparse
	centring   *centring // of features, or nil
	batch      int
	accumulate int
	steps      int // of an epoch
	total      int // epochs
	rate       float32
	epochs     []epochResult
	confusion  [][]int
	silent     bool // a fold's: no line for each epoch
	best       bestEpoch
	times      stepTimes
}

// learner is what trains: a train.Trainer, or a train.Device.
type learner interface {
	Input(i int) tensor.Tensor
	Target() tensor.Tensor
	Scores() tensor.Tensor
	StepInPlace() (float32, error)
	Rate() float32
	Parameters() []string
	PeakBytes() int
	Graph() (*graph.Graph, error)
	Save(path string, extra uint64) error
	Load(path string) (extra uint64, err error)
	Close() error
}

// epochResult is what one epoch gave.
type epochResult struct {
	Epoch   int     `json:"epoch"`
	Loss    float64 `json:"loss"`
	Top1    float64 `json:"top1"` // on held-back images; on those of training where there are none
	Train   float64 `json:"train_top1"`
	Rate    float32 `json:"rate"`
	Gather  int     `json:"rows_per_update"`
	MsStep  float64 `json:"ms_per_step"`
	Seconds float64 `json:"seconds"` // since the command began
}

func (r *round) close() {
	if r.trainer != nil {
		r.trainer.Close()
	}
}

// run trains epoch by epoch.
func (r *round) run(ctx context.Context) error {
	first, how, err := r.resume()
	if err != nil {
		return err
	}
	if err := r.beginBest(first); err != nil {
		return err
	}
	if !r.silent {
		r.announce()
		if how != "" {
			r.say("%s", how)
		}
	}
	log := epochLog{path: r.o.log, goesOn: first > 0}
	p := newProgress(r.c, "train", r.steps*r.total, r.quiet)
	r.watch()
	feed := r.newFeed(ctx, first)
	defer feed.stop()
	began := time.Now()
	enough := r.o.patience > 0 && first > 0 && r.best.since >= r.o.patience
	for at := first; at < r.steps*r.total && !enough; {
		e, err := r.epoch(ctx, feed, &at, p)
		if err != nil {
			return r.stopped(ctx, at, err)
		}
		if e.Top1, err = r.validate(); err != nil {
			return err
		}
		e.Seconds = time.Since(r.start).Seconds()
		r.epochs = append(r.epochs, e)
		p.done()
		r.sayEpoch(e, first, at, began)
		if enough, err = r.noteBest(e); err != nil {
			return err
		}
		if r.o.log != "" && !r.silent {
			if err := log.add(e); err != nil {
				return err
			}
		}
		if r.o.checkpoint != "" {
			if err := r.trainer.Save(r.o.checkpoint, r.position(at)); err != nil {
				return err
			}
		}
	}
	if enough {
		r.say("%d epochs without a better validation: training ends", r.best.since)
	}
	if len(r.epochs) == 0 { // a checkpoint of the end
		top1, err := r.validate()
		if err != nil {
			return err
		}
		r.epochs = append(r.epochs, epochResult{Epoch: r.total, Top1: top1, Rate: r.trainer.Rate()})
	}
	return nil
}

// stopped is why training ended before its time, after keeping what it reached
// where it was interrupted.
func (r *round) stopped(ctx context.Context, at int, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if r.o.checkpoint == "" {
		return fmt.Errorf("interrupted after %d of %d steps; nothing was written (--checkpoint F keeps what is reached)", at, r.steps*r.total)
	}
	if err := r.trainer.Save(r.o.checkpoint, r.position(at)); err != nil {
		return fmt.Errorf("interrupted, and: %w", err)
	}
	return fmt.Errorf("interrupted after %d of %d steps; --resume goes on from %s", at, r.steps*r.total, r.o.checkpoint)
}

// epoch goes on from step *at to the end of its epoch.
func (r *round) epoch(ctx context.Context, feed *feed, at *int, p *progress) (epochResult, error) {
	e := *at / r.steps
	res := epochResult{Epoch: e + 1, Rate: r.trainer.Rate()}
	right, done, start := 0, 0, time.Now()
	for *at < (e+1)*r.steps {
		if err := ctx.Err(); err != nil {
			return res, err
		}
		if err := feed.next(r.trainer); err != nil {
			return res, err
		}
		labels := feed.labels
		loss, err := r.trainer.StepInPlace()
		if err != nil {
			if errors.Is(err, train.ErrDiverged) {
				err = fmt.Errorf("epoch %d, step %d: %w; a lower --lr or --clip may help", e+1, *at%r.steps+1, err)
			}
			return res, err
		}
		if r.times.now != nil {
			r.times.note()
		}
		*at++
		done++
		res.Loss += float64(loss)
		right += countRight(r.trainer.Scores().F32(), labels)
		p.text(*at, fmt.Sprintf("loss %.3f, right %.1f %%", res.Loss/float64(done), 100*float64(right)/float64(done*r.batch)))
		if n := r.o.every; n > 0 && *at%n == 0 {
			if err := r.trainer.Save(r.o.checkpoint, r.position(*at)); err != nil {
				return res, err
			}
		}
	}
	res.Loss /= float64(done)
	res.Train = float64(right) / float64(done*r.batch)
	res.MsStep = ms(time.Since(start)) / float64(done)
	res.Gather = r.batch * r.gather(e)
	return res, nil
}
