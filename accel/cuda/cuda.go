// Package cuda is the NVIDIA backend. It is not built by default: without the
// build tag cuda, Open says so.
//
// A whole network is lowered to launches of the few kernels in package kernels,
// on float32 values in NHWC order. A session records one run (inputs in,
// launches, outputs out) as a graph of the driver, and Run replays it. Only
// package internal/driver speaks to NVIDIA's library; everything here works on
// its interface, and is tested with a driver that computes in Go.
package cuda

import (
	"errors"
	"fmt"
	"sync"

	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/accel/cuda/kernels"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// ErrClosed says that the backend was closed.
var ErrClosed = errors.New("cuda: backend is closed")

// open loads the kernels into d, which the backend owns from here on.
func open(d driver.Driver) (*backend, error) {
	if err := d.LoadModule(kernels.PTX); err != nil {
		return nil, errors.Join(fmt.Errorf("cuda: %s: loading the kernels: %w", d.Name(), err), d.Close())
	}
	b := &backend{drv: d, weights: map[weightKey]driver.Ptr{}, funcs: map[string]driver.Func{}}
	return b, nil
}

// backend is a device with its kernels, and the weights that programs share.
type backend struct {
	drv driver.Driver

	mu      sync.Mutex
	weights map[weightKey]driver.Ptr
	slabs   []driver.Ptr // what weights lie in
	bytes   int
	funcs   map[string]driver.Func
	states  int // open
	closed  bool
}

// weightKey is where a weight's bytes are in this machine's memory. They stay
// there while the backend is open: a model closes it before its file.
type weightKey struct {
	first *byte
	n     int
}

// Name is "cuda" and the device's name.
func (b *backend) Name() string { return "cuda " + b.drv.Name() }

// Supports names what a node asks for that no kernel does.
func (b *backend) Supports(g *graph.Graph, id graph.ID) error {
	_, err := lowerNode(newLowering(g), id)
	return err
}

// Close gives back the weights and the device. It refuses while states are
// open: they live on the device.
func (b *backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	if b.states > 0 {
		return fmt.Errorf("cuda: %d sessions are still open", b.states)
	}
	b.closed = true
	var errs []error
	for _, p := range b.slabs {
		errs = append(errs, b.drv.Free(p))
	}
	b.slabs, b.weights = nil, nil
	return errors.Join(append(errs, b.drv.Close())...)
}

// function finds a kernel once. b.mu is held.
func (b *backend) function(name string) (driver.Func, error) {
	if f, ok := b.funcs[name]; ok {
		return f, nil
	}
	f, err := b.drv.Function(name)
	if err != nil {
		return 0, fmt.Errorf("cuda: kernel %s: %w", name, err)
	}
	b.funcs[name] = f
	return f, nil
}

// upload brings tensors that are not on the device there, all of them in one
// piece of memory or none. b.mu is held.
func (b *backend) upload(ts []tensor.Tensor) ([]driver.Ptr, error) {
	at := make([]driver.Ptr, len(ts))
	offset := map[weightKey]int{}
	size := 0
	for _, t := range ts {
		k := keyOf(t)
		if _, ok := b.weights[k]; ok {
			continue
		}
		if _, ok := offset[k]; !ok {
			offset[k] = size
			size += (k.n + weightAlign - 1) &^ (weightAlign - 1)
		}
	}
	if size > 0 {
		slab, err := b.fill(ts, offset, size)
		if err != nil {
			return nil, err
		}
		b.slabs = append(b.slabs, slab)
		b.bytes += size
		for k, o := range offset {
			b.weights[k] = slab + driver.Ptr(o)
		}
	}
	for i, t := range ts {
		at[i] = b.weights[keyOf(t)]
	}
	return at, nil
}

// weightAlign is what the driver itself aligns to.
const weightAlign = 256

func keyOf(t tensor.Tensor) weightKey { return weightKey{&t.Data[0], len(t.Data)} }

// fill allocates the slab and copies each tensor to its offset.
func (b *backend) fill(ts []tensor.Tensor, offset map[weightKey]int, size int) (driver.Ptr, error) {
	slab, err := b.alloc(size, "weights")
	if err != nil {
		return 0, err
	}
	stream, err := b.drv.NewStream()
	if err != nil {
		return 0, errors.Join(fmt.Errorf("cuda: stream for the weights: %w", err), b.drv.Free(slab))
	}
	for _, t := range ts {
		if o, ok := offset[keyOf(t)]; ok && err == nil {
			err = b.drv.ToDevice(stream, slab+driver.Ptr(o), t.Data)
		}
	}
	// Even after a failure nothing may read the weights any more.
	if e := b.drv.Sync(stream); err == nil {
		err = e
	}
	if e := b.drv.CloseStream(stream); err == nil {
		err = e
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("cuda: copying %d bytes of weights to the device: %w", size, err), b.drv.Free(slab))
	}
	return slab, nil
}

// alloc is device memory, or an error that says how much there was.
func (b *backend) alloc(n int, what string) (driver.Ptr, error) {
	p, err := b.drv.Alloc(n)
	if err == nil {
		return p, nil
	}
	if free, total, e := b.drv.Memory(); e == nil {
		return 0, fmt.Errorf("cuda: %d bytes for %s, %d of the device's %d are free: %w", n, what, free, total, err)
	}
	return 0, fmt.Errorf("cuda: %d bytes for %s: %w", n, what, err)
}
