// Package cuda is the NVIDIA backend. It is not built by default: without the
// build tag cuda, Open says so.
//
// A whole network is lowered to launches of the few kernels in package kernels,
// on values in NHWC order: float32, integers of 8 bits, or, where the caller allows
// it, floats of two bytes. A session records one run (inputs in,
// launches, outputs out) as a graph of the driver, and Run replays it. Only
// package internal/driver speaks to NVIDIA's library; everything here works on
// its interface, and is tested with a driver that computes in Go.
package cuda

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/accel/cuda/kernels"
	"github.com/teff-ml/teff/ops/graph"
)

// ErrClosed says that the backend was closed.
var ErrClosed = errors.New("cuda: backend is closed")

// open makes d a backend, which owns it from here on. Kernels are loaded once a
// program needs them.
func open(d driver.Driver) (*backend, error) {
	b := &backend{drv: d, weights: map[weightKey]placed{}, slabs: map[*slab]bool{}, funcs: map[string]driver.Func{}, loaded: map[string]bool{}}
	if c := b.machine().capability; c < kernels.Least {
		err := fmt.Errorf("cuda: %s has compute capability %d.%d, the kernels need %d.%d", d.Name(), c/10, c%10, kernels.Least/10, kernels.Least%10)
		return nil, errors.Join(err, d.Close())
	}
	return b, nil
}

// backend is a device with its kernels, and the weights that programs share. Any
// number of models may run on it.
type backend struct {
	drv driver.Driver

	mu      sync.Mutex
	weights map[weightKey]placed
	slabs   map[*slab]bool
	bytes   int
	funcs   map[string]driver.Func
	loaded  map[string]bool // texts, by name
	states  int             // open
	closed  bool
}

// Name is "cuda" and the device's name.
func (b *backend) Name() string { return "cuda " + b.drv.Name() }

// Supports names what a node asks for that no kernel does.
func (b *backend) Supports(g *graph.Graph, id graph.ID) error {
	_, err := lowerNode(newLowering(g, numbers{element: "f32", size: 4}, b.machine()), id)
	return err
}

// machine is what the lowering has to know of the device.
func (b *backend) machine() machine {
	major, minor := b.drv.Capability()
	return machine{b.drv.Processors(), major*10 + minor}
}

// Close gives back the weights and the device; whoever opened the backend closes
// it, after its models. It refuses while states are open: they live on the device.
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
	for s := range b.slabs {
		errs = append(errs, b.drv.Free(s.at))
	}
	b.slabs, b.weights = nil, nil
	return errors.Join(append(errs, b.drv.Close())...)
}

// function finds a kernel once, and gives the device the text that has it. b.mu is
// held.
func (b *backend) function(name string) (driver.Func, error) {
	if f, ok := b.funcs[name]; ok {
		return f, nil
	}
	for _, m := range kernels.Modules() {
		if !slices.Contains(m.Names, name) || b.loaded[m.Name] {
			continue
		}
		if err := b.drv.LoadModule(m.PTX); err != nil {
			return 0, fmt.Errorf("cuda: %s: loading the kernels of %s: %w", b.drv.Name(), m.Name, err)
		}
		b.loaded[m.Name] = true
	}
	f, err := b.drv.Function(name)
	if err != nil {
		return 0, fmt.Errorf("cuda: kernel %s: %w", name, err)
	}
	b.funcs[name] = f
	return f, nil
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
