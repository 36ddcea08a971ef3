// Package switches holds the named switches of the fast paths.
//
// Every fast path is a boolean named "family/isa" (say "gemm/avx512"), true when the processor has what the path needs. A
// switch turns a path off, never on where the processor lacks it: for tests, for bisecting a wrong answer, and through the
// environment variable TEFF_DISABLE, a comma-separated list of names (a name without a slash, or ending in "/", stands for
// the whole family; "*" followed by "/isa" stands for that ISA in every family).
//
// GODEBUG=cpu.avx512f=off has a processor of amd64 choose as one without AVX-512 does, cpu.avx2=off as one without vectors of
// 256 bits, too; what is left of VNNI then is gemmi8/avxvnni.
//
// Some paths pay on some processors' cores alone. Elsewhere they are there and off, but for those that TEFF_ENABLE names;
// TEFF_CORES (intel, zen3, zen4, zen5, or anything else for none of these) has them chosen as on those.
package switches

import (
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
)

type path struct {
	name    string
	enabled *bool
	capable bool     // what detection found; Set never exceeds it
	cores   []string // on which it pays; nil: on all
}

var (
	mu       sync.Mutex
	paths    []path
	disabled = strings.Split(os.Getenv("TEFF_DISABLE"), ",")
	enabled  = strings.Split(os.Getenv("TEFF_ENABLE"), ",")
	likeCore = os.Getenv("TEFF_CORES")
)

// Register announces a fast path. enabled holds what detection found and is cleared at once when TEFF_DISABLE names the
// path. Call it from a package's init; a name registered twice is a bug and panics.
//
//go:noinline
func Register(name string, enabled *bool) { register(name, enabled, nil) }

// RegisterFor is Register for a path that pays on those cores alone, this processor's being core: *on is what detection found,
// and is cleared elsewhere.
func RegisterFor(name string, on *bool, core string, cores ...string) {
	register(name, on, cores)
	if likeCore != "" {
		core = likeCore
	}
	*on = *on && (slices.Contains(cores, core) || named(enabled, name))
}

func register(name string, enabled *bool, cores []string) {
	mu.Lock()
	defer mu.Unlock()
	for _, p := range paths {
		if p.name == name {
			panic("switches: BUG: path registered twice: " + name)
		}
	}
	paths = append(paths, path{name, enabled, *enabled, cores})
	*enabled = *enabled && !named(disabled, name)
}

// named says that one of the patterns is of that path.
//
//go:noinline
func named(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(strings.TrimSpace(p), name) })
}

func matches(pattern, name string) bool {
	family, isa, _ := strings.Cut(name, "/")
	switch {
	case pattern == "":
		return false
	case pattern == name, strings.TrimSuffix(pattern, "/") == family:
		return true
	}
	return strings.HasPrefix(pattern, "*/") && pattern[2:] == isa
}

// Names returns the registered paths this processor can take, sorted.
func Names() []string {
	mu.Lock()
	defer mu.Unlock()
	var out []string
	for _, p := range paths {
		if p.capable {
			out = append(out, p.name)
		}
	}
	sort.Strings(out)
	return out
}

// Enabled reports whether the named path is there and switched on.
func Enabled(name string) bool {
	mu.Lock()
	defer mu.Unlock()
	for _, p := range paths {
		if p.name == name {
			return *p.enabled
		}
	}
	return false
}

// Set switches the named path on or off and returns the way back. Switching on a path the processor cannot take, or a
// name nobody registered, does nothing. Kernels may be running while a switch is read, so only tests and start-up code,
// before any model is compiled, may call it.
func Set(name string, on bool) (restore func()) {
	mu.Lock()
	defer mu.Unlock()
	for _, p := range paths {
		if p.name == name {
			old := *p.enabled
			*p.enabled = on && p.capable
			return func() {
				mu.Lock()
				defer mu.Unlock()
				*p.enabled = old
			}
		}
	}
	return func() {}
}

// As has the paths that pay on some cores alone chosen as on core, and returns the way back: see Set for who may call it. The
// others stay as they are.
func As(core string) (restore func()) {
	mu.Lock()
	defer mu.Unlock()
	var old []path
	for _, p := range paths {
		if p.cores != nil {
			old = append(old, path{enabled: p.enabled, capable: *p.enabled})
			*p.enabled = p.capable && slices.Contains(p.cores, core) && !named(disabled, p.name)
		}
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range old {
			*p.enabled = p.capable
		}
	}
}
