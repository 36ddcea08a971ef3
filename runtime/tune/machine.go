package tune

import (
	"os"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/teff-ml/teff/ops"
)

// ThisMachine is the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{Arch: goruntime.GOOS + "/" + goruntime.GOARCH, CPU: processor(), Paths: []string{}}
	for _, p := range ops.Switches() {
		if ops.Enabled(p) {
			m.Paths = append(m.Paths, p)
		}
	}
	return m
}

// identity are the lines of /proc/cpuinfo that tell processors apart, on amd64
// and arm64.
var identity = []string{"model name", "cpu family", "model", "stepping", "cache size", "CPU implementer", "CPU part", "CPU variant", "uarch"}

// processor is what the system says of the first processor, "" where it says
// nothing.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	var parts []string
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "processor" && value != "0" {
			break
		}
		if slices.Contains(identity, name) && value != "" {
			parts = append(parts, value)
		}
	}
	return strings.Join(parts, ", ")
}
