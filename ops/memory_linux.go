package ops

import (
	"math"
	"strings"
	"syscall"
)

// machineMemory is how many bytes this process can have at most, 0 where the
// system does not say: the least of the machine's memory, the limits of the
// process's control groups and those of setrlimit.
func machineMemory() uint64 {
	least := uint64(math.MaxUint64)
	var s syscall.Sysinfo_t
	if syscall.Sysinfo(&s) == nil {
		least = uint64(s.Totalram) * uint64(s.Unit)
	}
	for _, kind := range [...]int{syscall.RLIMIT_AS, syscall.RLIMIT_DATA} {
		var r syscall.Rlimit
		if syscall.Getrlimit(kind, &r) == nil {
			least = min(least, uint64(r.Cur)) // all ones: none
		}
	}
	least = min(least, groupMemory(readSmall))
	if least == math.MaxUint64 {
		return 0
	}
	return least
}

// readSmall is a file of /proc or /sys, empty where there is none: what cannot be
// read sets no limit that is known. Package os would be 5 KB more of a small program.
func readSmall(path string) string {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	var text []byte
	for part := make([]byte, 4096); ; {
		n, err := syscall.Read(fd, part)
		if n > 0 {
			text = append(text, part[:n]...)
		} else if err != syscall.EINTR {
			return string(text)
		}
	}
}

// groupMemory is the least memory limit of the process's control groups and of
// those around them, in both versions: cgroups(7). Each line of mountinfo,
// proc_pid_mountinfo(5), says which group a mounted tree begins with and where it
// is; a group of the process that is not below is out of sight, as in a container,
// and the tree's first one is what there is to see.
func groupMemory(read func(path string) string) uint64 {
	least := uint64(math.MaxUint64)
	groups := read("/proc/self/cgroup")
	for mounts, line := read("/proc/self/mountinfo"), ""; mounts != ""; {
		line, mounts, _ = strings.Cut(mounts, "\n")
		mount, system, _ := strings.Cut(line, " - ")
		for range 3 { // IDs of the mount, its parent and its device
			_, mount, _ = strings.Cut(mount, " ")
		}
		first, mount, _ := strings.Cut(mount, " ")
		dir, _, _ := strings.Cut(mount, " ")
		file, of := "/memory.max", "::"
		switch {
		case strings.HasPrefix(system, "cgroup ") && named(system[strings.LastIndexByte(system, ' ')+1:], "memory"):
			file, of = "/memory.limit_in_bytes", "memory"
		case !strings.HasPrefix(system, "cgroup2 "):
			continue
		}
		for path := groupPath(groups, of, first); ; path = path[:strings.LastIndexByte(path, '/')] {
			least = min(least, bytesOf(read(dir+path+file)))
			if path == "" {
				break
			}
		}
	}
	return least
}

// groupPath finds the process's group of a controller, or of version 2 by "::", and
// is its path below the group first, where a mounted tree begins.
func groupPath(groups, of, first string) string {
	for line := ""; groups != ""; {
		line, groups, _ = strings.Cut(groups, "\n")
		at := strings.IndexByte(line, '/') // controllers have none in their names
		if at < 0 {
			continue
		}
		_, list, _ := strings.Cut(line[:at], ":")
		if of == "::" && list != ":" || of != "::" && !named(strings.TrimSuffix(list, ":"), of) {
			continue
		}
		path := strings.TrimSuffix(line[at:], "/")
		if first == "/" {
			return path
		}
		if below := strings.TrimPrefix(path, first); below != path && strings.HasPrefix(below, "/") {
			return below
		}
		return ""
	}
	return ""
}

// named reports whether a list with commas has a name.
func named(list, name string) bool {
	for one := ""; list != ""; {
		if one, list, _ = strings.Cut(list, ","); one == name {
			return true
		}
	}
	return false
}

// bytesOf is the number in a file of limits; without one, as in "max", there is none.
func bytesOf(text string) uint64 {
	n, digits := uint64(0), 0
	for ; digits < len(text) && text[digits]-'0' < 10; digits++ {
		n = n*10 + uint64(text[digits]-'0')
	}
	if digits == 0 || digits > 19 {
		return math.MaxUint64
	}
	return n
}
