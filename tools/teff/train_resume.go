package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// A checkpoint's extra number is where training stands in its data: the step,
// and what the step counts through, so that no other order or other images are
// taken for the rest of it:
//
//	bits 0-31 the step, 32-39 the batch, 40-47 the seed, 48-63 the images
//
// Batch and seed are remainders of 255 and the images a checksum, each with 1
// added: 0 is of a checkpoint that says nothing.
func (r *round) position(step int) uint64 {
	t := r.train
	sum := imagesSum(t.views(), t.store.sum, t.index, t.labels, r.meta.Labels)
	return uint64(uint32(step)) | uint64(r.batch%255+1)<<32 | (r.o.seed%255+1)<<40 | uint64(sum%65535+1)<<48
}

// imagesSum is a checksum of what is learned from: pixels, of a checksum of their own,
// which of the images, their classes, and the names of these. It is the same on every
// machine.
func imagesSum(views int, pixels uint32, index, labels []int, names []string) uint32 {
	h := fnv.New32a()
	write := func(v ...int) {
		for _, x := range v {
			_ = binary.Write(h, binary.LittleEndian, int64(x)) // a hash takes all
		}
	}
	write(len(labels), views)
	_ = binary.Write(h, binary.LittleEndian, int64(pixels)) // an int may have no room for it
	write(index...)
	write(labels...)
	for _, c := range names {
		h.Write(append([]byte(c), 0))
	}
	return h.Sum32()
}

// resume goes on from the checkpoint, if there is one. It returns the step, and
// words for it.
func (r *round) resume() (step int, how string, err error) {
	if !r.o.resume {
		return 0, "", nil
	}
	extra, err := r.trainer.Load(r.o.checkpoint)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, r.o.checkpoint + " is not there yet: training begins", nil
	case err != nil:
		return 0, "", err
	}
	now := r.position(0)
	for _, part := range []struct {
		bits uint64
		what string
	}{
		{0xff << 32, fmt.Sprintf("a --batch other than %d", r.batch)},
		{0xff << 40, fmt.Sprintf("a --seed other than %d", r.o.seed)},
		{0xffff << 48, "other images (or another --val-split, --resize or number of --views)"},
	} {
		if was := extra & part.bits; was != 0 && was != now&part.bits {
			return 0, "", fmt.Errorf("%s is of training with %s, and --resume goes on with the same: give what it began with, or leave --resume out to begin anew", r.o.checkpoint, part.what)
		}
	}
	step = int(min(extra&0xffffffff, uint64(r.steps*r.total)))
	if step == r.steps*r.total {
		return step, fmt.Sprintf("%s has all %d epochs: nothing is left to train", r.o.checkpoint, r.total), nil
	}
	return step, fmt.Sprintf("going on from %s: epoch %d of %d, step %d of %d", r.o.checkpoint, step/r.steps+1, r.total, step%r.steps+1, r.steps), nil
}
