package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// betweenStages gives back the pages of the program's own code and constants
// that the stage before needed.
//
// Around each page that is touched Linux maps 64 KiB, so that after starting,
// reading a model and packing it nearly the whole program counts as memory of
// this process, two thirds of what a run of a small network takes, although the
// next stage needs little of it. The pages stay in the system's cache, from
// which those needed again are mapped at a microsecond or two a block; what is
// won is that they can be had for something else.
func betweenStages() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	// 00400000-00827000 r-xp 00000000 fe:00 10725259    /usr/bin/teff
	for line := range strings.Lines(string(maps)) {
		at, rest, _ := strings.Cut(line, " ")
		if !strings.HasSuffix(line, " "+exe+"\n") || len(rest) < 2 || rest[1] != '-' {
			continue // not the program's, or writable: what was written would be lost
		}
		lo, hi, _ := strings.Cut(at, "-")
		from, err := strconv.ParseUint(lo, 16, 64)
		to, err2 := strconv.ParseUint(hi, 16, 64)
		if err == nil && err2 == nil {
			syscall.Syscall(syscall.SYS_MADVISE, uintptr(from), uintptr(to-from), syscall.MADV_DONTNEED)
		}
	}
}
