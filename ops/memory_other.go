//go:build !linux

package ops

func machineMemory() uint64 { return 0 }
