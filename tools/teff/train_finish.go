package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/runtime/train"
)

// crossValidate trains --folds times, each time on all parts but one.
func (t *training) crossValidate(ctx context.Context) error {
	store := t.train.store
	parts := store.parts(t.o.folds, t.o.seed)
	right, n := 0.0, 0
	if len(store.labels) < len(parts) {
		return fmt.Errorf("%d images do not make %d folds", len(store.labels), len(parts))
	}
	for k := range parts {
		var rest []int
		for j, part := range parts {
			if j != k {
				rest = append(rest, part...)
			}
		}
		r, err := t.newRound(store.pick(rest), store.pick(parts[k]))
		if err != nil {
			return err
		}
		r.silent = true
		err = r.run(ctx)
		r.close()
		if err != nil {
			return err
		}
		top1 := r.epochs[len(r.epochs)-1].Top1
		t.folds = append(t.folds, top1)
		right += top1 * float64(len(parts[k]))
		n += len(parts[k])
		t.say("fold %d of %d: %.2f %% of %d held back", k+1, len(parts), 100*top1, len(parts[k]))
	}
	t.say("%d folds: %.2f %% of %d", len(parts), 100*right/float64(n), n)
	return nil
}

// foldTop1 is the mean of the folds.
func (t *training) foldTop1() float64 {
	sum := 0.0
	for _, f := range t.folds {
		sum += f
	}
	return sum / float64(max(1, len(t.folds)))
}

// tuned is the whole network as it is now.
func (r *round) tuned() (*graph.Graph, error) {
	g, err := r.trainer.Graph()
	if err != nil {
		return nil, err
	}
	if r.head {
		if r.centring != nil {
			if g, err = r.centring.into(g, true); err != nil {
				return nil, err
			}
		}
		if g, err = train.Join(r.whole, g); err != nil {
			return nil, err
		}
	} else if r.o.bn == "estimate" {
		if g, err = r.estimated(g); err != nil {
			return nil, err
		}
	}
	if r.o.fold {
		return passes.FoldBatchNorm(g)
	}
	return g, nil
}

// finish writes the network.
func (t *training) finish(r *round, asJSON bool) error {
	g, last, err := r.final()
	if err != nil {
		return err
	}
	if err := t.write(g); err != nil {
		return err
	}
	if t.o.report != "" {
		if err := r.writeReport(last); err != nil {
			return err
		}
	}
	if asJSON {
		m := map[string]any{
			"epochs": r.epochs, "peak_bytes": r.trainer.PeakBytes(), "skipped": t.skipped, "classes": t.meta.Labels, "device": t.deviceName(),
			"images": len(r.train.labels), "held_back": 0, "trains": r.trainer.Parameters(), "preprocess": t.meta.Preprocess,
		}
		if r.val != nil {
			m["held_back"] = len(r.val.labels)
		}
		if r.keepsBest() {
			m["best_epoch"], m["best_top1"] = last.Epoch, last.Top1
		}
		if t.folds != nil {
			m["folds"], m["folds_top1"] = t.folds, t.foldTop1()
		}
		if t.remark != "" {
			m["remark"] = t.remark
		}
		if r.times.least != nil {
			m["layers"] = r.times.layers()
		}
		return printJSON(t.c.out, m)
	}
	if r.times.least != nil {
		if err := r.times.print(t.c.out); err != nil {
			return err
		}
	}
	for _, s := range t.skipped {
		t.say("skipped %s", s)
	}
	if r.keepsBest() {
		t.say("of epoch %d, validation %.2f %%:", last.Epoch, 100*last.Top1)
	}
	t.say("%s: %s, training held %s", t.o.out, bytesText(fileSize(t.o.out)), bytesText(int64(r.trainer.PeakBytes())))
	return nil
}

// write writes the network where it was asked for; where that fails, as on a
// full disk, what was learned is kept in the system's folder for such things.
func (t *training) write(g *graph.Graph) error {
	options := &format.WriteOptions{Metadata: &t.meta}
	err := format.WriteFile(t.o.out, g, options)
	if err == nil {
		return nil
	}
	rescue := filepath.Join(os.TempDir(), fmt.Sprintf("%s-%d.teff", strings.TrimSuffix(filepath.Base(t.o.out), ".teff"), os.Getpid()))
	if format.WriteFile(rescue, g, options) != nil {
		return err
	}
	return fmt.Errorf("%w; the tuned network is in %s", err, rescue)
}
