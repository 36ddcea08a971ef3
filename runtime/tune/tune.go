// Package tune finds by trying which way of computing each layer is the fastest
// on this machine, and keeps what it found in a small file beside the model.
//
//	found, err := tune.Measure(ctx, g, tune.Setting{Threads: 1, Batch: 1, Precision: "f32"}, nil)
//	f.Set(found)                                  // f, err := tune.Parse(bytes), or new(tune.File)
//	choices, err := f.Choices(g, setting)
//	m, err := runtime.New(g, runtime.WithChoices(choices), ...)
//
// The choices depend on shapes and not on the values of weights, so a network
// that was trained further keeps them.
package tune

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Version of the file.
const Version = 1

// Limits of a file, so that one from outside costs little.
const (
	MaxBytes   = 4 << 20
	maxEntries = 64
)

// ErrStale says that a file has nothing for this model and machine.
var ErrStale = errors.New("tune: made for another model or machine")

// Setting is how a model is run.
type Setting struct {
	Threads   int    `json:"threads"`
	Batch     int    `json:"batch"`
	Precision string `json:"precision"` // f32 or bf16
	Exact     bool   `json:"exact,omitempty"`
}

// Machine is what choices were measured on.
type Machine struct {
	Arch  string   `json:"arch"`
	CPU   string   `json:"cpu"`
	Paths []string `json:"paths"` // the fast paths that were on
}

// Entry is what was found for one model, machine and setting.
type Entry struct {
	Model   string  `json:"model"` // Fingerprint
	Machine Machine `json:"machine"`
	Setting
	// Before and After are the times of a run in milliseconds, measured in turns.
	Before float64 `json:"before_ms"`
	After  float64 `json:"after_ms"`
	// Nodes are the choices that differ from the cost model's, by node.
	Nodes map[string]ops.Choice `json:"nodes"`
}

// File is what was found on one or more machines and settings.
type File struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// Parse reads a file. Bytes that are none give an error.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("tune: %d bytes, at most %d", len(b), MaxBytes)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	f := &File{}
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("tune: %w", err)
	}
	if d.More() {
		return nil, errors.New("tune: more than one object")
	}
	if f.Version != Version {
		return nil, fmt.Errorf("tune: version %d, this program reads %d", f.Version, Version)
	}
	if len(f.Entries) > maxEntries {
		return nil, fmt.Errorf("tune: %d entries, at most %d", len(f.Entries), maxEntries)
	}
	return f, nil
}

// Encode is the file's text.
func (f *File) Encode() ([]byte, error) {
	f.Version = Version
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("tune: %w", err)
	}
	return append(b, '\n'), nil
}

// same reports that two entries answer the same question.
func (e *Entry) same(o *Entry) bool {
	return e.Model == o.Model && e.Setting == o.Setting && e.Machine.Arch == o.Machine.Arch && e.Machine.CPU == o.Machine.CPU &&
		slices.Equal(e.Machine.Paths, o.Machine.Paths)
}

// Set adds e, in the place of an older answer to the same question. The oldest
// entries make room.
func (f *File) Set(e *Entry) {
	f.Entries = slices.DeleteFunc(f.Entries, func(o Entry) bool { return o.same(e) })
	f.Entries = append(f.Entries, *e)
	f.Entries = f.Entries[max(0, len(f.Entries)-maxEntries):]
}

// Choices are those for g, as it is given to runtime.New, in a setting on this
// machine: none where only other settings were measured, and ErrStale where
// nothing of this model on this machine was.
func (f *File) Choices(g *graph.Graph, s Setting) (map[string]ops.Choice, error) {
	want := &Entry{Model: Fingerprint(g), Machine: ThisMachine()}
	err := ErrStale
	for i := range f.Entries {
		e := &f.Entries[i]
		want.Setting = e.Setting
		if !e.same(want) {
			continue
		}
		if e.Setting == s {
			return e.Nodes, nil
		}
		err = nil
	}
	return nil, err
}

// Fingerprint names what a graph computes, but for the values of its weights.
func Fingerprint(g *graph.Graph) string {
	h := fnv.New128a()
	_ = graph.Print(h, g) // a hash takes everything
	return fmt.Sprintf("%x", h.Sum(nil))
}
