// Package driver is the little of NVIDIA's driver API that the backend needs,
// as a Go interface. Open gives it the machine's first device; tests give the
// backend another implementation.
//
// One Driver is one device, one context and some modules of kernels. Every method
// may be called from any goroutine, a stream from one at a time. Launch,
// ToDevice, ToHost, LaunchGraph and Sync allocate nothing in Go.
package driver

// Ptr is an address on the device; 0 is none.
type Ptr uint64

// Func is a kernel of the loaded module.
type Func uintptr

// Stream is a queue of work that the device does in order.
type Stream uintptr

// Graph is work recorded from a stream, launched as one.
type Graph uintptr

// Driver is one device. Errors name the call that failed and give the driver's
// own name for the reason; a fault of a kernel is often reported by a later
// call, at the latest by Sync.
type Driver interface {
	// Name is the device's, as the driver spells it.
	Name() string
	// Capability is the device's compute capability, 7 and 5 for sm_75.
	Capability() (major, minor int)
	// Processors is how many multiprocessors the device has, at least 1.
	Processors() int
	// Memory says how many of the device's bytes are free now, and how many
	// there are.
	Memory() (free, total int, err error)

	// LoadModule compiles the text of kernels for the device, beside those that
	// it has.
	LoadModule(ptx string) error
	// Function finds a kernel of the modules by its name.
	Function(name string) (Func, error)

	// Alloc takes n > 0 bytes on the device, aligned to 256.
	Alloc(n int) (Ptr, error)
	Free(Ptr) error
	// AllocHost takes n > 0 bytes of this machine's memory that the device can
	// read and write by itself. The collector knows nothing of them.
	AllocHost(n int) ([]byte, error)
	// FreeHost takes back exactly what AllocHost gave.
	FreeHost([]byte) error

	NewStream() (Stream, error)
	CloseStream(Stream) error

	// ToDevice queues a copy of src to dst. src is read until Sync: it comes
	// from AllocHost, or the caller keeps it alive and unchanged until then.
	ToDevice(s Stream, dst Ptr, src []byte) error
	// ToHost queues a copy of len(dst) bytes at src to dst, which is complete
	// after Sync, and is alive until then.
	ToHost(s Stream, dst []byte, src Ptr) error
	// Launch queues a kernel. grid counts blocks and block counts threads, both
	// at least 1 a side; shared is bytes of dynamic shared memory. Every
	// parameter is 8 bytes: an address, an integer, or a double's bits. params
	// are copied before Launch returns; there are at most 64.
	Launch(s Stream, f Func, grid, block [3]int, shared int, params []uint64) error

	// BeginCapture makes s record work instead of doing it, until EndCapture.
	BeginCapture(s Stream) error
	EndCapture(s Stream) (Graph, error)
	// LaunchGraph queues what was recorded.
	LaunchGraph(g Graph, s Stream) error
	CloseGraph(Graph) error

	// Sync waits until all that was queued on s is done, and gives the first
	// fault of it.
	Sync(s Stream) error
	// Close gives back the modules and the context. Memory, streams and graphs
	// are closed before.
	Close() error
}
