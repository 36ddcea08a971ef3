//go:build (!amd64 && !arm64) || purego

package cpu

// Relax does nothing here: there is no spin hint without assembly.
func Relax(n int) {}
