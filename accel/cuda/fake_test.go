package cuda

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/accel/cuda/kernels"
	"github.com/teff-ml/teff/ops/tensor"
)

// errMemory and errLost are the fake's faults.
var (
	errMemory = errors.New("fake: out of memory")
	errLost   = errors.New("fake: device lost")
)

// fakeDriver is a device that computes in Go when work is queued, in float64. It knows what
// is allocated: an address outside is a fault, and so is what is left at Close.
type fakeDriver struct {
	next       driver.Ptr
	memory     map[driver.Ptr][]byte
	capable    [2]int
	processors int
	modules    []string
	pinned     map[*byte]int
	streams    map[driver.Stream][]func() error // work being captured; nil: none is
	captures   map[driver.Stream]bool
	graphs     map[driver.Graph][]func() error
	names      []string

	allocs   int // so far
	failAt   int // the allocation that fails, from 1; 0 none
	lost     bool
	idle     bool // LaunchGraph does nothing
	launched map[string]int
	closed   bool
}

func newFake() *fakeDriver {
	return &fakeDriver{
		next: 1 << 40, memory: map[driver.Ptr][]byte{}, capable: [2]int{8, 0}, pinned: map[*byte]int{}, streams: map[driver.Stream][]func() error{},
		captures: map[driver.Stream]bool{}, graphs: map[driver.Graph][]func() error{}, launched: map[string]int{},
	}
}

func (d *fakeDriver) Name() string           { return "fake" }
func (d *fakeDriver) Capability() (int, int) { return d.capable[0], d.capable[1] }
func (d *fakeDriver) Processors() int        { return max(4, d.processors) }
func (d *fakeDriver) Memory() (int, int, error) {
	return 1 << 20, 1 << 30, nil
}

func (d *fakeDriver) LoadModule(ptx string) error {
	for _, m := range kernels.Modules() {
		if m.PTX == ptx && m.Capability <= d.capable[0]*10+d.capable[1] {
			d.modules = append(d.modules, m.Name)
			return nil
		}
	}
	return errors.New("fake: not for this device")
}

func (d *fakeDriver) Function(name string) (driver.Func, error) {
	found := false
	for _, m := range kernels.Modules() {
		found = found || slices.Contains(d.modules, m.Name) && slices.Contains(m.Names, name)
	}
	if !found {
		return 0, fmt.Errorf("fake: no kernel %q", name)
	}
	d.names = append(d.names, name)
	return driver.Func(len(d.names)), nil
}

// fails counts what can run out.
func (d *fakeDriver) fails() error {
	if d.allocs++; d.allocs == d.failAt {
		return errMemory
	}
	return nil
}

func (d *fakeDriver) Alloc(n int) (driver.Ptr, error) {
	if err := d.fails(); err != nil || n <= 0 {
		return 0, errors.Join(err, fmt.Errorf("fake: %d bytes", n))
	}
	p := d.next
	d.next += driver.Ptr(n+255)&^255 + 256
	m := tensor.AlignedBytes(n)
	for i := range m {
		m[i] = 0xff // what is read before it is written shows: no number of any width
	}
	d.memory[p] = m
	return p, nil
}

func (d *fakeDriver) Free(p driver.Ptr) error {
	if _, ok := d.memory[p]; !ok {
		return fmt.Errorf("fake: %#x is not allocated", p)
	}
	delete(d.memory, p)
	return nil
}

func (d *fakeDriver) AllocHost(n int) ([]byte, error) {
	if err := d.fails(); err != nil {
		return nil, err
	}
	b := tensor.AlignedBytes(n)
	d.pinned[&b[0]] = n
	return b, nil
}

func (d *fakeDriver) FreeHost(b []byte) error {
	if n, ok := d.pinned[&b[0]]; !ok || n != len(b) {
		return fmt.Errorf("fake: %d bytes that are not pinned", len(b))
	}
	delete(d.pinned, &b[0])
	return nil
}

func (d *fakeDriver) NewStream() (driver.Stream, error) {
	if err := d.fails(); err != nil {
		return 0, err
	}
	d.next += 256
	s := driver.Stream(d.next)
	d.streams[s] = nil
	return s, nil
}

func (d *fakeDriver) CloseStream(s driver.Stream) error {
	if _, ok := d.streams[s]; !ok {
		return fmt.Errorf("fake: no stream %d", s)
	}
	delete(d.streams, s)
	return nil
}

// queue does the work, or records it.
func (d *fakeDriver) queue(s driver.Stream, f func() error) error {
	if _, ok := d.streams[s]; !ok {
		return fmt.Errorf("fake: no stream %d", s)
	}
	if d.lost {
		return errLost
	}
	if d.captures[s] {
		d.streams[s] = append(d.streams[s], f)
		return nil
	}
	return f()
}

// at is the device memory from an address to the end of its allocation.
func (d *fakeDriver) at(p driver.Ptr) ([]byte, error) {
	for base, m := range d.memory {
		if p >= base && p < base+driver.Ptr(len(m)) {
			return m[p-base:], nil
		}
	}
	return nil, fmt.Errorf("fake: address %#x is not allocated", p)
}

func (d *fakeDriver) ToDevice(s driver.Stream, dst driver.Ptr, src []byte) error {
	return d.queue(s, func() error {
		m, err := d.at(dst)
		if err != nil || len(m) < len(src) {
			return errors.Join(err, fmt.Errorf("fake: %d bytes to %d", len(src), len(m)))
		}
		copy(m, src)
		return nil
	})
}

func (d *fakeDriver) ToHost(s driver.Stream, dst []byte, src driver.Ptr) error {
	return d.queue(s, func() error {
		m, err := d.at(src)
		if err != nil || len(m) < len(dst) {
			return errors.Join(err, fmt.Errorf("fake: %d bytes from %d", len(dst), len(m)))
		}
		copy(dst, m)
		return nil
	})
}

func (d *fakeDriver) Launch(s driver.Stream, f driver.Func, grid, block [3]int, shared int, params []uint64) error {
	name := d.names[f-1]
	if len(params) != kernels.Params(name) {
		return fmt.Errorf("fake: %s has %d parameters, not %d", name, kernels.Params(name), len(params))
	}
	if block != [3]int{256, 1, 1} || shared != 0 || min(grid[0], grid[1], grid[2]) < 1 {
		return fmt.Errorf("fake: %s on grid %v, block %v, %d bytes", name, grid, block, shared)
	}
	words := strings.Split(name, "_")
	k := fakeKernels[words[0]]
	if strings.HasPrefix(words[1], "i8") {
		k = fakeInts[words[0]+"_i8"]
	}
	a := &fakeArgs{d: d, v: append([]uint64(nil), params...), grid: grid, words: words}
	d.launched[name]++
	return d.queue(s, func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("fake: %s(%v): %v", name, a.v, r)
			}
		}()
		k(a)
		a.store()
		return nil
	})
}

func (d *fakeDriver) BeginCapture(s driver.Stream) error {
	if err := d.fails(); err != nil {
		return err
	}
	d.captures[s] = true
	return nil
}

func (d *fakeDriver) EndCapture(s driver.Stream) (driver.Graph, error) {
	if err := d.fails(); err != nil {
		return 0, err
	}
	d.next += 256
	g := driver.Graph(d.next)
	d.graphs[g] = d.streams[s]
	d.captures[s], d.streams[s] = false, nil
	return g, nil
}

func (d *fakeDriver) LaunchGraph(g driver.Graph, s driver.Stream) error {
	work, ok := d.graphs[g]
	if !ok {
		return fmt.Errorf("fake: no graph %d", g)
	}
	if d.lost {
		return errLost
	}
	if d.idle {
		return nil
	}
	for _, f := range work {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (d *fakeDriver) CloseGraph(g driver.Graph) error {
	if _, ok := d.graphs[g]; !ok {
		return fmt.Errorf("fake: no graph %d", g)
	}
	delete(d.graphs, g)
	return nil
}

func (d *fakeDriver) Sync(driver.Stream) error {
	if d.lost {
		return errLost
	}
	return nil
}

// Close fails when anything was left.
func (d *fakeDriver) Close() error {
	d.closed = true
	return d.leaks()
}

func (d *fakeDriver) leaks() error {
	var left []string
	for what, n := range map[string]int{
		"allocations": len(d.memory), "pinned": len(d.pinned), "streams": len(d.streams), "graphs": len(d.graphs),
	} {
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, what))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("fake: left: %s", strings.Join(left, ", "))
	}
	return nil
}
