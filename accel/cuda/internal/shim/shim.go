//go:build cuda

// Package shim stands between gorgonia.org/cu and NVIDIA's library, which it
// opens when the program runs: a program with the CUDA backend starts on any
// machine. TEFF_LIBCUDA names another file than libcuda.so.1.
//
// trampoline.c defines every function of the library that include/cuda.h
// declares, and calls the library's. The rest of the package is what the
// binding lacks: memory that the device reads by itself, recorded work, and
// launches amid a collection.
//
// # Building
//
// The binding includes <cuda.h> and links with -lcuda. Both are given by this
// repository; in its root,
//
//	. accel/cuda/build.env
//
// sets, with the root's absolute path for ROOT,
//
//	CGO_ENABLED=1
//	CGO_CFLAGS="-O2 -g '-IROOT/accel/cuda/include'"
//	CGO_LDFLAGS="'-LROOT/accel/cuda/lib'"
//
// after which go build, vet and test take -tags cuda. lib/libcuda.a is an
// archive without members: all that -lcuda asks for is in this package.
package shim

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: -L${SRCDIR}/../../lib -ldl
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Result is an answer of the library other than success.
type Result int

// Error is the library's name for the result, CUDA_ERROR_OUT_OF_MEMORY.
func (r Result) Error() string {
	var name *C.char
	if C.cuGetErrorName(C.CUresult(r), &name) != C.CUDA_SUCCESS || name == nil {
		return fmt.Sprintf("CUDA error %d", int(r))
	}
	return C.GoString(name)
}

// NoDevice is the result on a machine that has the library and no device.
const NoDevice = Result(C.CUDA_ERROR_NO_DEVICE)

func result(r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	return Result(r)
}

// Init gives the library's own answer to its first call, or says why the
// library could not be opened; the latter is no Result.
func Init() error {
	if why := C.teff_cuda_reason(); why != nil {
		return errors.New(C.GoString(why))
	}
	return result(C.teff_cuda_status())
}

// AllocHost takes n > 0 bytes that the device reads and writes by itself. It
// needs a current context, as all that follows.
func AllocHost(n int) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	err := result(C.cuMemAllocHost(&p, C.size_t(n)))
	return p, err
}

// BeginCapture makes a stream record. Begin and end may happen on different
// threads, so the mode is the one that does not look at the thread.
func BeginCapture(stream uintptr) error {
	return result(C.cuStreamBeginCapture(streamOf(stream), C.CU_STREAM_CAPTURE_MODE_RELAXED))
}

// EndCapture ends it and prepares what was recorded to be launched.
func EndCapture(stream uintptr) (uintptr, error) {
	var g C.CUgraph
	if err := result(C.cuStreamEndCapture(streamOf(stream), &g)); err != nil {
		return 0, err
	}
	var x C.CUgraphExec
	err := result(C.cuGraphInstantiateWithFlags(&x, g, 0))
	if e := result(C.cuGraphDestroy(g)); err == nil {
		err = e
	}
	return uintptr(unsafe.Pointer(x)), err
}

// LaunchGraph queues recorded work on a stream.
func LaunchGraph(graph, stream uintptr) error {
	return result(C.cuGraphLaunch(graphOf(graph), streamOf(stream)))
}

// DestroyGraph gives recorded work back.
func DestroyGraph(graph uintptr) error { return result(C.cuGraphExecDestroy(graphOf(graph))) }

// MaxParams is how many parameters Launch takes.
const MaxParams = C.TEFF_CUDA_PARAMS

// Launch queues a kernel on a stream. The binding's own keeps the addresses of
// parameters in memory from malloc as if they were Go's pointers: while a
// collection runs, Go looks at the pointers that they replace, which may be to
// memory that is free by now, and ends the program. Sizes must fit 32 bits.
func Launch(f uintptr, grid, block [3]int, shared int, stream uintptr, params []uint64) error {
	var at *C.ulonglong
	if len(params) > 0 {
		at = (*C.ulonglong)(unsafe.Pointer(&params[0]))
	}
	return result(C.teff_cuda_launch(functionOf(f), C.uint(grid[0]), C.uint(grid[1]), C.uint(grid[2]),
		C.uint(block[0]), C.uint(block[1]), C.uint(block[2]), C.uint(shared), streamOf(stream), at, C.int(len(params))))
}

// A handle is the library's pointer; Go only carries it.
func functionOf(h uintptr) C.CUfunction { return *(*C.CUfunction)(unsafe.Pointer(&h)) }
func streamOf(h uintptr) C.CUstream     { return *(*C.CUstream)(unsafe.Pointer(&h)) }
func graphOf(h uintptr) C.CUgraphExec   { return *(*C.CUgraphExec)(unsafe.Pointer(&h)) }
