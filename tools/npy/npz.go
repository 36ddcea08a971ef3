package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/teff-ml/teff/ops/tensor"
)

// maxDeflated bounds an array that a compressed archive may unfold to.
const maxDeflated = 1 << 30

// IsName reports names that ReadFile reads: F.npy, F.npz, F.npz:NAME.
func IsName(path string) bool {
	_, _, ok := archive(path)
	return ok || strings.HasSuffix(path, ".npy")
}

// archive splits F.npz:NAME, or F.npz, which has no name.
func archive(path string) (file, name string, ok bool) {
	if i := strings.LastIndex(path, ".npz:"); i >= 0 {
		return path[:i+4], path[i+5:], true
	}
	return path, "", strings.HasSuffix(path, ".npz")
}

// readArchive is the named array of a zip of .npy files, as numpy.savez writes
// them; without a name, the only one.
func readArchive(file, name string) (t tensor.Tensor, err error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		var pe *fs.PathError
		if !errors.As(err, &pe) {
			err = fmt.Errorf("%s: %w", file, bad("%v", err))
		}
		return t, err
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		key := strings.TrimSuffix(f.Name, ".npy")
		names = append(names, key)
		if key != name && (name != "" || len(z.File) > 1) {
			continue
		}
		if f.Method != zip.Store && f.UncompressedSize64 > maxDeflated {
			return t, fmt.Errorf("%s: %w", file, bad("%s unfolds to %d bytes", key, f.UncompressedSize64))
		}
		r, err := f.Open()
		if err != nil {
			return t, fmt.Errorf("%s: %s: %w", file, key, bad("%v", err))
		}
		defer r.Close()
		if t, err = Read(r); err != nil {
			err = fmt.Errorf("%s: %s: %w", file, key, err)
		}
		return t, err
	}
	if name == "" && len(names) > 0 {
		return t, fmt.Errorf("%s holds %d arrays: name one, as in %s:%s (there are %s)", file, len(names), file, names[0], strings.Join(names, ", "))
	}
	return t, fmt.Errorf("%s holds no array %q: there are %s", file, name, strings.Join(names, ", "))
}

// Archive collects arrays for an .npz file, which it keeps in memory.
type Archive struct {
	buf bytes.Buffer
	zip *zip.Writer
}

// Add writes an array of that name.
func (a *Archive) Add(name string, t tensor.Tensor) error {
	if a.zip == nil {
		a.zip = zip.NewWriter(&a.buf)
	}
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
	if err == nil {
		err = Write(w, t)
	}
	return err
}

// Bytes are the file, to which nothing is added any more.
func (a *Archive) Bytes() ([]byte, error) {
	if a.zip == nil {
		a.zip = zip.NewWriter(&a.buf)
	}
	err := a.zip.Close()
	return a.buf.Bytes(), err
}
