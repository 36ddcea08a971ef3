//go:build (amd64 || arm64) && !purego

package cpu

// Relax tells the processor n times that this thread is spinning (PAUSE, YIELD): it saves power and leaves a sibling
// hardware thread its share of the core.
//
//go:noescape
func Relax(n int)
