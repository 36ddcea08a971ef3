//go:build !linux

package runtime

func machineMemory() uint64 { return 0 }
