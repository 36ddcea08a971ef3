//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package format

import (
	"os"
)

// OpenCompact is to Open what ParseCompact is to Parse; here it is the same.
func OpenCompact(path string) (*File, error) { return Open(path) }

// Open reads a file. On this system it is not mapped.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errorf("format: %w", err)
	}
	defer f.Close()
	file, err := Read(f)
	if err != nil {
		return nil, errorf("%s: %w", path, err)
	}
	return file, nil
}
