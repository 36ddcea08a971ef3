// Package cpu says what this processor can do, and passes on the named switches of the fast paths (package switches).
package cpu

import "github.com/teff-ml/teff/ops/switches"

// Register announces a fast path: see switches.Register.
func Register(name string, enabled *bool) { switches.Register(name, enabled) }

// Names returns the registered paths this processor can take, sorted.
func Names() []string { return switches.Names() }

// Enabled reports whether the named path is there and switched on.
func Enabled(name string) bool { return switches.Enabled(name) }

// Set switches the named path on or off and returns the way back: see switches.Set.
func Set(name string, on bool) (restore func()) { return switches.Set(name, on) }
