// Package cpu says what this processor can do, and passes on the named switches of the fast paths (package switches).
package cpu

import "github.com/teff-ml/teff/ops/switches"

// Register announces a fast path: see switches.Register.
//
//go:noinline
func Register(name string, enabled *bool) { switches.Register(name, enabled) }

// Cores that choices are known for. Intel's read weights from the third-level cache or from memory up to twice as fast where
// a program asks for them ahead, and their 512-bit additions and logic take turns with multiply-adds. AMD's since Zen 4 add
// in units of their own; Zen 4's units are 256 bits wide, so it multiplies at half the rate beside its caches. Zen 3 is the
// last without AVX-512, and its caches are asked ahead with as much gain as Intel's.
const (
	Intel = "intel"
	Zen3  = "zen3" // and before
	Zen4  = "zen4"
	Zen5  = "zen5" // and later
)

// RegisterFor announces a fast path that pays on those cores: see switches.RegisterFor.
//
//go:noinline
func RegisterFor(name string, enabled *bool, cores ...string) {
	switches.RegisterFor(name, enabled, core, cores...)
}

// Names returns the registered paths this processor can take, sorted.
func Names() []string { return switches.Names() }

// Enabled reports whether the named path is there and switched on.
func Enabled(name string) bool { return switches.Enabled(name) }

// Set switches the named path on or off and returns the way back: see switches.Set.
func Set(name string, on bool) (restore func()) { return switches.Set(name, on) }
