package main

import (
	"fmt"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/runtime/train"
)

// openDevice opens the device that --device names; the model closes it. Only "auto"
// takes the CPU where there is none, and says so.
func (t *training) openDevice() error {
	if t.o.device == "cpu" {
		return nil
	}
	b, err := cuda.Open()
	if err != nil {
		return t.onCPU(err)
	}
	t.m.device = b
	tb, ok := b.(accel.TrainBackend)
	if !ok {
		return t.onCPU(fmt.Errorf("%s does not train", b.Name()))
	}
	t.backend = tb
	return nil
}

// onCPU is err, or nil where the CPU may do it after all.
func (t *training) onCPU(err error) error {
	if t.o.device != "auto" {
		return err
	}
	t.backend = nil
	fmt.Fprintf(t.c.err, "on the CPU: %v\n", err)
	return nil
}

// learner plans training of g where it is to be.
func (t *training) learner(g *graph.Graph, cfg train.Config) (learner, error) {
	if t.backend != nil {
		d, err := train.OnDevice(t.backend, g, cfg)
		if err == nil {
			return d, nil
		}
		if err := t.onCPU(err); err != nil {
			return nil, err
		}
	}
	tr, err := train.New(g, cfg)
	if err != nil {
		return nil, err
	}
	return tr, nil
}

func (t *training) deviceName() string {
	if t.backend != nil {
		return t.backend.Name()
	}
	return "cpu"
}
