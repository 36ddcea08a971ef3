package format

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// AtomicWrite replaces path by b so that it holds either what was there before or
// all of b, as WriteFile does. A file that is there keeps its
// permissions, a link goes on pointing to it, and what is no file, such as
// /dev/stdout, is written to.
func AtomicWrite(path string, b []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("format: writing %s: %w", path, cause(err))
		}
	}()
	st, statErr := os.Stat(path)
	if statErr == nil && !st.Mode().IsRegular() && !st.IsDir() {
		return writeInto(path, b)
	}
	real := path
	if p, err := filepath.EvalSymlinks(path); err == nil {
		real = p
	}
	dir := filepath.Dir(real)
	f, err := createBeside(real)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if statErr == nil {
		if err = f.Chmod(st.Mode().Perm()); err != nil {
			return err
		}
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), real); err != nil {
		return err
	}
	if d, e := os.Open(dir); e == nil { // the name is durable once the folder is
		_ = d.Sync() // not every system can
		d.Close()
	}
	return nil
}

// writeInto writes to a device or a pipe, which must not become a file.
func writeInto(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// createBeside creates a file of a name that is free in path's folder, with the
// permissions that a new file gets there: os.CreateTemp's are for one user.
func createBeside(path string) (*os.File, error) {
	for try := 0; ; try++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%08x", filepath.Base(path), rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

// cause is an error without the temporary name in it.
func cause(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}
