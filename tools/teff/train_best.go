package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
)

// bestEpoch is the epoch with the best validation so far, the later one of equals.
type bestEpoch struct {
	result    epochResult
	since     int // epochs without a better one
	g         *graph.Graph
	confusion [][]int
}

// bestPath is where the best network is kept beside a checkpoint, to be there
// when training goes on.
func (r *round) bestPath() string { return r.o.checkpoint + ".best" }

// keepsBest reports that what is written is the best epoch's network.
func (r *round) keepsBest() bool { return (r.o.best || r.o.patience > 0) && !r.silent }

// beginBest takes up what was kept at the checkpoint, or forgets it where
// training begins at step 0.
func (r *round) beginBest(first int) error {
	if !r.keepsBest() {
		return nil
	}
	if r.val == nil {
		return errors.New("no images are held back for validation, so there is no best epoch: give --val or --val-split, or leave --best and --patience out")
	}
	r.best.result.Top1 = -1
	if r.o.checkpoint == "" {
		return nil
	}
	if first == 0 {
		if err := os.Remove(r.bestPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := os.ReadFile(r.bestPath())
	if errors.Is(err, fs.ErrNotExist) { // it was trained without
		return nil
	}
	if err != nil {
		return err
	}
	f, err := format.Parse(b)
	if err != nil {
		return fmt.Errorf("%s: %w", r.bestPath(), err)
	}
	said := map[string]string{}
	if f.Metadata != nil {
		said = f.Metadata.Extra
	}
	epoch, err1 := strconv.Atoi(said["epoch"])
	top1, err2 := strconv.ParseFloat(said["top1"], 64)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%s: does not say which epoch it is of", r.bestPath())
	}
	if done := first / r.steps; epoch <= done { // else it comes again
		since, err := strconv.Atoi(said["since"])
		if err != nil {
			since = epoch
		}
		r.best = bestEpoch{result: epochResult{Epoch: epoch, Top1: top1}, since: done - since, g: f.Graph}
	}
	return nil
}

// noteBest looks whether an epoch is the best, and reports that enough went by
// without a better one.
func (r *round) noteBest(e epochResult) (enough bool, err error) {
	if !r.keepsBest() {
		return false, nil
	}
	x := &r.best
	if r.best.since++; e.Top1 > x.result.Top1 {
		x.since = 0
	}
	if e.Top1 >= x.result.Top1 {
		if x.g, err = r.tuned(); err != nil {
			return false, err
		}
		x.result, x.confusion = e, r.confusion
		if r.o.checkpoint != "" {
			meta := r.meta
			meta.Extra = map[string]string{"epoch": strconv.Itoa(e.Epoch), "top1": strconv.FormatFloat(e.Top1, 'g', -1, 64), "since": strconv.Itoa(e.Epoch - x.since)}
			if err := format.WriteFile(r.bestPath(), x.g, &format.WriteOptions{Metadata: &meta}); err != nil {
				return false, err
			}
		}
	}
	return r.o.patience > 0 && x.since >= r.o.patience, nil
}

// final is the network to write, and what it was measured to be.
func (r *round) final() (*graph.Graph, epochResult, error) {
	if r.keepsBest() && r.best.g != nil {
		if r.best.confusion != nil {
			r.confusion = r.best.confusion
		}
		return r.best.g, r.best.result, nil
	}
	g, err := r.tuned()
	return g, r.epochs[len(r.epochs)-1], err
}
