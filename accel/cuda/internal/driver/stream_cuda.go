//go:build cuda

package driver

import (
	"unsafe"

	"gorgonia.org/cu"

	"github.com/teff-ml/teff/accel/cuda/internal/shim"
)

// NewStream makes one that does not wait for the default stream, which other
// libraries of the program may use.
func (d *device) NewStream() (Stream, error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer leave()
	s, err := cu.MakeStream(cu.NonBlocking)
	if err != nil {
		return 0, failed("make stream", err)
	}
	return Stream(bits(s)), nil
}

func (d *device) CloseStream(s Stream) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	h := streamOf(s)
	return failed("close stream", h.Destroy())
}

func (d *device) ToDevice(s Stream, dst Ptr, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("copy to the device", cu.MemcpyHtoDAsync(cu.DevicePtr(dst), unsafe.Pointer(&src[0]), int64(len(src)), streamOf(s)))
}

func (d *device) ToHost(s Stream, dst []byte, src Ptr) error {
	if len(dst) == 0 {
		return nil
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("copy to the host", cu.MemcpyDtoHAsync(unsafe.Pointer(&dst[0]), cu.DevicePtr(src), int64(len(dst)), streamOf(s)))
}

func (d *device) BeginCapture(s Stream) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("begin to record", shim.BeginCapture(uintptr(s)))
}

func (d *device) EndCapture(s Stream) (Graph, error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer leave()
	g, err := shim.EndCapture(uintptr(s))
	return Graph(g), failed("end of recording", err)
}

func (d *device) LaunchGraph(g Graph, s Stream) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("launch recorded work", shim.LaunchGraph(uintptr(g), uintptr(s)))
}

func (d *device) CloseGraph(g Graph) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("close recorded work", shim.DestroyGraph(uintptr(g)))
}

func (d *device) Sync(s Stream) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer leave()
	return failed("wait", streamOf(s).Synchronize())
}
