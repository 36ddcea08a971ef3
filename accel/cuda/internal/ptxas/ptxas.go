// Package ptxas asks NVIDIA's assembler, where it is installed, whether the
// kernels' text assembles for a device and what the code takes of it. The
// assembler needs no device; a program never needs the assembler, for the
// driver has one of its own.
package ptxas

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// ErrNone says that the machine has no assembler: a reason to skip a test.
var ErrNone = errors.New("no ptxas: neither in PATH nor named by TEFF_PTXAS")

// Find is the assembler's path: what TEFF_PTXAS names, else ptxas in PATH.
func Find() (string, error) {
	if p := os.Getenv("TEFF_PTXAS"); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("TEFF_PTXAS: %w", err)
		}
		return p, nil
	}
	p, err := exec.LookPath("ptxas")
	if err != nil {
		return "", ErrNone
	}
	return p, nil
}

// Version is the assembler's own name for itself, like "11.8.89".
func Version(path string) (string, error) {
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w\n%s", path, err, out)
	}
	m := regexp.MustCompile(`release [\d.]+, V([\d.]+)`).FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s --version: %s", path, out)
	}
	return string(m[1]), nil
}

// Kernel is what one kernel takes.
type Kernel struct {
	Name      string
	Registers int // of a thread
	Shared    int // static, bytes of a block
	Stack     int // bytes of a thread that lie in memory
	Spilled   int // bytes stored and loaded for want of registers
}

var (
	compiling = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	stack     = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)
	used      = regexp.MustCompile(`Used (\d+) registers`)
	shared    = regexp.MustCompile(`(\d+) bytes smem`)
)

// Assemble assembles text for a device of capability cc (75 is sm_75) and says
// what each kernel takes, in the order of the assembler's report.
func Assemble(path, text string, cc int) ([]Kernel, error) {
	cmd := exec.Command(path, "-arch", fmt.Sprintf("sm_%d", cc), "-v", "-warn-spills", "-o", os.DevNull, "/dev/stdin")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ptxas for sm_%d: %w\n%s", cc, err, bytes.TrimSpace(out))
	}
	return report(string(out))
}

// report reads what ptxas -v says.
func report(text string) (ks []Kernel, err error) {
	number := func(s string) int {
		n, e := strconv.Atoi(s)
		if e != nil {
			err = e
		}
		return n
	}
	for line := range strings.Lines(text) {
		if m := compiling.FindStringSubmatch(line); m != nil {
			ks = append(ks, Kernel{Name: m[1]})
			continue
		}
		if len(ks) == 0 {
			continue
		}
		k := &ks[len(ks)-1]
		if m := stack.FindStringSubmatch(line); m != nil {
			k.Stack, k.Spilled = number(m[1]), number(m[2])+number(m[3])
		}
		if m := used.FindStringSubmatch(line); m != nil {
			k.Registers = number(m[1])
		}
		if m := shared.FindStringSubmatch(line); m != nil {
			k.Shared = number(m[1])
		}
	}
	if len(ks) == 0 && err == nil {
		err = fmt.Errorf("ptxas reports no kernel:\n%s", text)
	}
	return ks, err
}

// device is what a multiprocessor has: facts of the CUDA C++ programming guide's
// table of technical specifications.
type device struct {
	warps, blocks, shared int
	reserved              int // bytes of shared memory a block that the system takes
}

var devices = map[int]device{
	70: {64, 32, 96 << 10, 0},
	75: {32, 16, 64 << 10, 0},
	80: {64, 32, 164 << 10, 1 << 10},
	86: {48, 16, 100 << 10, 1 << 10},
	90: {64, 32, 228 << 10, 1 << 10},
}

// Devices are the capabilities that the kernels are assembled for, from the one
// that a text is written for upwards.
func Devices(from int) (cc []int) {
	for _, c := range []int{70, 75, 80, 86, 90} {
		if c >= from {
			cc = append(cc, c)
		}
	}
	return cc
}

// Occupancy is how many warps of the most a multiprocessor can hold are there
// at once, with blocks of threads, and what stops more.
func (k Kernel) Occupancy(cc, threads int) (warps, most int, limit string) {
	const registers, granule = 65536, 256 // registers of a multiprocessor, and what a warp takes at a time
	d := devices[cc]
	w := (threads + 31) / 32
	blocks, limit := d.warps/w, "warps"
	if d.blocks < blocks {
		blocks, limit = d.blocks, "blocks"
	}
	warp := (k.Registers*32 + granule - 1) / granule * granule
	if n := registers / (warp * w); n < blocks {
		blocks, limit = n, "registers"
	}
	if k.Shared > 0 {
		if n := d.shared / (k.Shared + d.reserved); n < blocks {
			blocks, limit = n, "shared memory"
		}
	}
	return blocks * w, d.warps, limit
}
