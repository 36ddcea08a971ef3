// Package shared finds the real models, data and reference outputs that some
// tests compare with. They are not part of the repository: a checkout has them
// in a folder named "shared" beside it, or wherever TEFF_DATA points.
package shared

import (
	"os"
	"path/filepath"
	"testing"
)

// Find returns the shared folder: TEFF_DATA if set, else the first folder
// named "shared" beside any parent of the working directory that holds a
// go.mod. It returns "" where there is none.
func Find() string {
	if d := os.Getenv("TEFF_DATA"); d != "" {
		if isDir(d) {
			return d
		}
		return ""
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if d := filepath.Join(dir, "..", "shared"); isDir(filepath.Join(d, "models")) {
			return d
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// Dir is Find for a test: where the folder is absent the test is skipped, but
// fails when CI is "true", so that a run that checks nothing is not green.
func Dir(tb testing.TB) string {
	tb.Helper()
	if d := Find(); d != "" {
		return d
	}
	const why = "no shared data: put it in ../shared beside the checkout or name it in TEFF_DATA"
	if os.Getenv("CI") == "true" {
		tb.Fatal(why)
	}
	tb.Skip(why)
	return ""
}

// Path is the path of a file or folder below Dir. A missing one skips or fails
// the test like a missing Dir.
func Path(tb testing.TB, elem ...string) string {
	tb.Helper()
	p := filepath.Join(append([]string{Dir(tb)}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("shared data lacks %s", filepath.Join(elem...))
		}
		tb.Skipf("shared data lacks %s", filepath.Join(elem...))
	}
	return p
}

func isDir(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.IsDir()
}
