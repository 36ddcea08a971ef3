//go:build cuda

package driver

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/shim"
)

// maxParams bounds a kernel's parameters.
const maxParams = shim.MaxParams

// device is the first device of the machine. A context belongs to a thread and
// a goroutine to none, so every call that needs the context makes it the
// thread's first.
type device struct {
	dev          cu.Device
	ctx          cu.CUContext
	mods         []cu.Module
	name         string
	major, minor int
	processors   int
}

// Open takes the machine's first device, or says why there is none: the error
// wraps accel.ErrUnavailable. How a program is built that can open one is in
// package shim's comment.
func Open() (Driver, error) {
	if err := shim.Init(); err != nil {
		var r shim.Result
		switch {
		case !errors.As(err, &r):
			return nil, fmt.Errorf("cuda: no driver: %v: %w", err, accel.ErrUnavailable)
		case r == shim.NoDevice:
			return nil, fmt.Errorf("cuda: no device: %w", accel.ErrUnavailable)
		}
		return nil, fmt.Errorf("cuda: the driver does not start: %v: %w", err, accel.ErrUnavailable)
	}
	n, err := cu.NumDevices()
	if err != nil {
		return nil, fmt.Errorf("cuda: count devices: %v: %w", err, accel.ErrUnavailable)
	}
	if n < 1 {
		return nil, fmt.Errorf("cuda: no device: %w", accel.ErrUnavailable)
	}
	d := &device{}
	if err := d.open(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *device) open() (err error) {
	if d.dev, err = cu.GetDevice(0); err != nil {
		return failed("take device 0", err)
	}
	if d.name, err = d.dev.Name(); err != nil {
		return failed("name of device 0", err)
	}
	if d.major, err = d.dev.Attribute(cu.ComputeCapabilityMajor); err != nil {
		return failed("capability of device 0", err)
	}
	if d.minor, err = d.dev.Attribute(cu.ComputeCapabilityMinor); err != nil {
		return failed("capability of device 0", err)
	}
	if d.processors, err = d.dev.Attribute(cu.MultiprocessorCount); err != nil {
		return failed("multiprocessors of device 0", err)
	}
	// The primary context is the one that other libraries in the program use.
	d.ctx, err = d.dev.RetainPrimaryCtx()
	return failed("context of device 0", err)
}

// failed names the call; the reason stays the library's.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cuda: %s: %w", what, err)
}

// enter makes the context the thread's, which it holds until leave.
func (d *device) enter() error {
	runtime.LockOSThread()
	if err := cu.SetCurrentContext(d.ctx); err != nil {
		runtime.UnlockOSThread()
		return failed("context", err)
	}
	return nil
}

func leave() { runtime.UnlockOSThread() }

func (d *device) Name() string                   { return d.name }
func (d *device) Processors() int                { return max(1, d.processors) }
func (d *device) Capability() (major, minor int) { return d.major, d.minor }

func (d *device) Memory() (free, total int, err error) {
	if err := d.enter(); err != nil {
		return 0, 0, err
	}
	defer leave()
	f, t, err := cu.MemInfo()
	return int(f), int(t), failed("memory", err)
}

func (d *device) LoadModule(ptx string) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	mod, err := cu.LoadData(ptx)
	if err != nil {
		return failed("load module", err)
	}
	d.mods = append(d.mods, mod)
	return nil
}

func (d *device) Function(name string) (Func, error) {
	if len(d.mods) == 0 {
		return 0, fmt.Errorf("cuda: kernel %s: no module is loaded", name)
	}
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer leave()
	var err error
	for _, m := range d.mods {
		var f cu.Function
		if f, err = m.Function(name); err == nil {
			return Func(bits(f)), nil
		}
	}
	return 0, fmt.Errorf("cuda: kernel %s: %w", name, err)
}

func (d *device) Alloc(n int) (Ptr, error) {
	if n < 1 {
		return 0, fmt.Errorf("cuda: allocate %d bytes", n)
	}
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer leave()
	p, err := cu.MemAlloc(int64(n))
	if err != nil {
		return 0, fmt.Errorf("cuda: allocate %d bytes: %w", n, err)
	}
	return Ptr(p), nil
}

func (d *device) Free(p Ptr) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("free", cu.MemFree(cu.DevicePtr(p)))
}

func (d *device) AllocHost(n int) ([]byte, error) {
	if n < 1 {
		return nil, fmt.Errorf("cuda: allocate %d bytes of the host", n)
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer leave()
	p, err := shim.AllocHost(n)
	if err != nil {
		return nil, fmt.Errorf("cuda: allocate %d bytes of the host: %w", n, err)
	}
	return unsafe.Slice((*byte)(p), n), nil
}

func (d *device) FreeHost(b []byte) error {
	if len(b) == 0 {
		return errors.New("cuda: free memory of the host: none given")
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("free memory of the host", cu.MemFreeHost(unsafe.Pointer(&b[0])))
}

func (d *device) Launch(s Stream, f Func, grid, block [3]int, shared int, params []uint64) error {
	if len(params) > maxParams {
		return fmt.Errorf("cuda: launch: %d parameters, at most %d", len(params), maxParams)
	}
	// The library takes 32 bits: a larger number must not come out as a small one.
	for i := range grid {
		if grid[i] < 1 || grid[i] > math.MaxInt32 || block[i] < 1 || block[i] > math.MaxInt32 {
			return fmt.Errorf("cuda: launch: grid %v, block %v", grid, block)
		}
	}
	if shared < 0 || shared > math.MaxInt32 {
		return fmt.Errorf("cuda: launch: %d bytes of shared memory", shared)
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("launch", shim.Launch(uintptr(f), grid, block, shared, uintptr(s), params))
}

func (d *device) Close() error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	var err error
	for _, m := range d.mods {
		err = errors.Join(err, failed("unload module", m.Unload()))
	}
	d.mods = nil
	return errors.Join(err, failed("release context", d.dev.ReleasePrimaryCtx()))
}

// The binding wraps the library's pointers in structs of one field that it does
// not export. They travel as numbers; a struct of another size does not compile.
var (
	_ [unsafe.Sizeof(uintptr(0))]byte = [unsafe.Sizeof(cu.Stream{})]byte{}
	_ [unsafe.Sizeof(uintptr(0))]byte = [unsafe.Sizeof(cu.Function{})]byte{}
)

func bits[T cu.Stream | cu.Function](h T) uintptr { return *(*uintptr)(unsafe.Pointer(&h)) }

func streamOf(s Stream) cu.Stream { return *(*cu.Stream)(unsafe.Pointer(&s)) }
