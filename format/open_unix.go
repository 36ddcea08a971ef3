//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package format

import (
	"os"

	"syscall"
)

// Open maps a file and reads it. Weights that are stored as they are stay in
// the map.
func Open(path string) (*File, error) { return open(path, nil) }

// OpenCompact is to Open what ParseCompact is to Parse.
func OpenCompact(path string) (*File, error) { return open(path, keep) }

func open(path string, keep keeper) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errorf("format: %w", err)
	}
	defer f.Close()
	var st syscall.Stat_t // not os.File's: with its times and names it is 4 KB more of a small program
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Fstat(int(f.Fd()), &st)
	}
	if err != nil {
		return nil, errorf("format: %s: %w", path, err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return Read(f)
	}
	if st.Size < headerSize || int64(int(st.Size)) != st.Size {
		head := make([]byte, headerSize)
		n, _ := f.Read(head)
		if IsTeff(head[:n]) {
			return nil, errorf("%s: %w", path, ErrTruncated)
		}
		return nil, errorf("%s: %w", path, ErrMagic)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return Read(f)
	}
	file, err := parse(b, keep)
	if err != nil {
		syscall.Munmap(b)
		return nil, errorf("%s: %w", path, err)
	}
	file.close, file.mapped = func() error { return syscall.Munmap(b) }, true
	if file.decodes() {
		file.Release(b) // what was decoded is not read again
	}
	return file, nil
}
