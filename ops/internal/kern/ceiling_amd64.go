//go:build !purego

package kern

import (
	"sync"
	"time"
)

// fmaLoop runs n rounds and returns the operations done.
func fmaLoop(n int) int {
	switch {
	case useGemmAVX512:
		fmaLoopAVX512(&n)
		return n * 24 * 16 * 2
	case useGemmAVX2:
		fmaLoopAVX2(&n)
		return n * 24 * 8 * 2
	}
	return fmaLoopGeneric(n)
}

// Loops of 24 multiply-adds a round; see FMACeiling.
//
//go:noescape
func fmaLoopAVX512(t *int)

//go:noescape
func fmaLoopAVX2(t *int)

// halfRate512 measures, once and in some 20 µs, whether 512-bit multiply-adds take twice as long as 256-bit ones.
var halfRate512 = sync.OnceValue(func() bool {
	n := 200
	wide, narrow := time.Hour, time.Hour
	for range 5 {
		start := time.Now()
		fmaLoopAVX512(&n)
		middle := time.Now()
		fmaLoopAVX2(&n)
		wide, narrow = min(wide, middle.Sub(start)), min(narrow, time.Since(middle))
	}
	return 2*wide > 3*narrow
})
