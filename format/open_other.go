//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package format

import (
	"fmt"
	"os"
)

// Open reads a file. On this system it is not mapped.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	defer f.Close()
	file, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}
