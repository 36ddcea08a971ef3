package train

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// A checkpoint is
//
//	"TEFFCKPT", u32 version, u32 steps, u32 updates, u32 accumulated, u64 extra,
//	u32 tensors, for each: u32 name length, name, u32 floats, floats…, then u32 CRC-32C of all before
//
// Tensors are the live parameters, running statistics, optimiser state and
// accumulated gradients, so that going on from a checkpoint gives the same bits as
// never having stopped. extra is the caller's, say its position in the data.

const checkpointMagic = "TEFFCKPT"

// ErrCheckpoint says that a file is no checkpoint, or one of another network or
// optimiser.
var ErrCheckpoint = errors.New("train: checkpoint does not fit")

// named lists everything that a checkpoint holds.
func (t *Trainer) named(f func(name string, v []float32)) {
	keys := make([]paramKey, 0, len(t.net.live))
	for k := range t.net.live {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b paramKey) int {
		if a.node != b.node {
			return int(a.node - b.node)
		}
		return a.param - b.param
	})
	for _, k := range keys {
		f(paramName(t.net.g.Node(k.node), k.param), t.net.live[k].F32())
	}
	for i := range t.params {
		p := &t.params[i]
		if t.update != nil {
			f(p.name+"/grad", p.g)
		} else { // none waits for an update
			f(p.name+"/grad", make([]float32, p.learning()))
		}
		for s := range t.cfg.Optimizer.slots() {
			f(fmt.Sprintf("%s/state%d", p.name, s), p.state[s])
		}
	}
}

// Save writes a checkpoint: what was at path stays there until the new one is
// complete, and where parameters or running statistics are numbers no more, which is
// ErrDiverged.
func (t *Trainer) Save(path string, extra uint64) error {
	for k, v := range t.net.live {
		if !ops.Finite(v.F32()) {
			return fmt.Errorf("%w: %s holds what is no number; nothing was written to %s", ErrDiverged, paramName(t.net.g.Node(k.node), k.param), path)
		}
	}
	le := binary.LittleEndian
	b := []byte(checkpointMagic)
	for _, v := range []int{1, t.step, t.updates, t.accumulated} {
		b = le.AppendUint32(b, uint32(v))
	}
	b = le.AppendUint64(b, extra)
	at, n := len(b), uint32(0)
	b = le.AppendUint32(b, 0)
	t.named(func(name string, v []float32) {
		n++
		b = le.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
		b = le.AppendUint32(b, uint32(len(v)))
		b = append(b, tensor.BytesOf(v)...)
	})
	le.PutUint32(b[at:], n)
	b = le.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return format.AtomicWrite(path, b)
}

// Load goes on from a checkpoint and returns the caller's extra. On an error
// the trainer is as it was.
func (t *Trainer) Load(path string) (extra uint64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("train: %w", err)
	}
	return t.load(b, path)
}

// load is Load with the file's bytes.
func (t *Trainer) load(b []byte, path string) (extra uint64, err error) {
	le := binary.LittleEndian
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: "+format, append([]any{ErrCheckpoint, path}, args...)...)
	}
	const head = 8 + 4*4 + 8 + 4
	if len(b) < head+4 || string(b[:8]) != checkpointMagic || le.Uint32(b[8:]) != 1 {
		return 0, bad("no checkpoint of version 1")
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != le.Uint32(b[len(b)-4:]) {
		return 0, bad("wrong checksum")
	}
	at, left := head, int(le.Uint32(b[head-4:]))
	type part struct {
		to   []float32
		from []byte
	}
	var parts []part
	t.named(func(name string, v []float32) {
		if err != nil {
			return
		}
		need := 4 + len(name) + 4 + 4*len(v)
		if left == 0 || len(body)-at < need || int(le.Uint32(body[at:])) != len(name) || string(body[at+4:at+4+len(name)]) != name ||
			int(le.Uint32(body[at+4+len(name):])) != len(v) {
			err = bad("tensor %s is not where it should be", name)
			return
		}
		parts = append(parts, part{v, body[at+8+len(name) : at+need]})
		at += need
		left--
	})
	if err == nil && (left != 0 || at != len(body)) {
		err = bad("it holds more than this network")
	}
	if err != nil {
		return 0, err
	}
	if t.update == nil && le.Uint32(b[20:]) != 0 {
		return 0, bad("it holds accumulated gradients, and this trainer accumulates none")
	}
	for _, p := range parts {
		copy(tensor.BytesOf(p.to), p.from)
	}
	t.step, t.updates, t.accumulated = int(le.Uint32(b[12:])), int(le.Uint32(b[16:])), int(le.Uint32(b[20:]))
	t.repack()
	return le.Uint64(b[24:]), nil
}
