package ops

import (
	"fmt"
	"math"
	"time"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pages"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// Workers are the goroutines that Parallel splits over. Nil is the caller
// alone.
type Workers = pool.Pool

// NewWorkers starts a pool of that many threads, the caller's included; 0 is
// GOMAXPROCS.
func NewWorkers(threads int) *Workers { return pool.New(threads) }

// Momentum is a step of gradient descent with momentum: Step changes weights and
// their velocities by a gradient.
type Momentum = kern.SGDF32

// Finite reports whether x holds neither a NaN nor an infinity.
func Finite(x []float32) bool {
	if s := kern.SumF32(x); s-s == 0 { // no such term, which would have made the sum one
		return true
	}
	for _, v := range x { // or a sum of numbers that is too large
		if v-v != 0 {
			return false
		}
	}
	return true
}

// CeilingGFLOPS is what one core reaches on independent float32 multiply-adds
// with its widest instructions, measured for about d.
func CeilingGFLOPS(d time.Duration) float64 { return kern.FMACeiling(d) }

// Switches names every fast path that this processor has and can be turned
// off, with Switch or the environment variable TEFF_DISABLE.
func Switches() []string { return cpu.Names() }

// Enabled reports whether the named path is there and on.
func Enabled(name string) bool { return cpu.Enabled(name) }

// Switch turns a fast path on or off and returns what undoes it. It is for
// tests and measurements; models keep the paths that they were compiled with.
func Switch(name string, on bool) (restore func()) { return cpu.Set(name, on) }

// askFrom is the size from which an arena is compared with what there is, as finding
// that out reads files, and is made of huge pages.
const askFrom = 4 << 20

// NewArena is n zero bytes at a multiple of 64, or an error where the process can
// have less memory: Go ends the process when the system has no more, so it is not
// asked. On Linux that is the least of the machine's memory, the limits of the
// process's control groups (versions 1 and 2) and those of setrlimit; other systems
// are not asked. math.MaxInt stands for more than an int counts.
func NewArena(n int) ([]byte, error) {
	if n >= askFrom {
		if m := machineMemory(); m > 0 && uint64(n) > m {
			return nil, fmt.Errorf("an arena of %d bytes, this process can have %d", n, m)
		}
	}
	if n > maxArena {
		return nil, fmt.Errorf("an arena of %d bytes, at most %d can be addressed", n, maxArena)
	}
	b := tensor.AlignedBytes(n)
	if n >= askFrom {
		pages.Expect(b)
	}
	return b, nil
}

// maxArena is what Go makes a slice of: 2^47 bytes, or nearly all that an int of 32 bits counts.
const maxArena = min(1<<47, math.MaxInt-64)

// UnsignedActivations says that integer products are faster here on unsigned than on signed activations.
func UnsignedActivations() bool { return kern.UnsignedI8() }
