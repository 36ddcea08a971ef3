// Package cputest runs a test on every fast path of a family and on the portable base.
package cputest

import (
	"strings"
	"testing"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// ForEachPath runs f as a subtest once for each path whose name starts with prefix, with that path on and the other
// matching ones off, and once as "base" with all of them off.
func ForEachPath(t *testing.T, prefix string, f func(t *testing.T)) {
	t.Helper()
	for _, name := range append(matching(prefix), "base") {
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			defer only(prefix, name)()
			f(t)
		})
	}
}

// ForEachPathB is ForEachPath for benchmarks.
func ForEachPathB(b *testing.B, prefix string, f func(b *testing.B)) {
	b.Helper()
	for _, name := range append(matching(prefix), "base") {
		b.Run(strings.ReplaceAll(name, "/", "-"), func(b *testing.B) {
			defer only(prefix, name)()
			f(b)
		})
	}
}

func matching(prefix string) (names []string) {
	for _, n := range cpu.Names() {
		if strings.HasPrefix(n, prefix) {
			names = append(names, n)
		}
	}
	return names
}

func only(prefix, keep string) (restore func()) {
	var undo []func()
	for _, n := range matching(prefix) {
		undo = append(undo, cpu.Set(n, n == keep))
	}
	return func() {
		for _, u := range undo {
			u()
		}
	}
}
