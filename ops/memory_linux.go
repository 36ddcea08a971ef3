package ops

import "syscall"

// machineMemory is the size of the machine's memory in bytes, 0 where the system
// does not say.
func machineMemory() uint64 {
	var s syscall.Sysinfo_t
	if syscall.Sysinfo(&s) != nil {
		return 0
	}
	return uint64(s.Totalram) * uint64(s.Unit)
}
