// Package fake builds a driver library without a device, for tests: it runs the
// kernels on the host and is stricter than a device. libcuda/fake.h says how,
// and what the environment makes it pretend. No program imports it.
package fake

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrNoCompiler says that the machine has no C++ compiler to build the library
// with: a reason to skip a test.
var ErrNoCompiler = errors.New("no C++ compiler")

// Library is the path of libcuda.so.1 made of the sources here and of the kernels. It
// is compiled once and kept in the user's cache, under a name that its sources give.
func Library() (string, error) {
	cxx := os.Getenv("CXX")
	if cxx == "" {
		cxx = "g++"
	}
	compiler, err := exec.LookPath(cxx)
	if err != nil {
		return "", fmt.Errorf("fake: %w: %w", ErrNoCompiler, err)
	}
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("fake: the sources' folder is unknown")
	}
	here = filepath.Dir(here)
	key, err := sources(filepath.Dir(here), compiler)
	if err != nil {
		return "", fmt.Errorf("fake: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "teff", "fake-"+key)
	lib := filepath.Join(dir, "libcuda.so.1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("fake: %w", err)
	}
	return lib, once(lib, func() error {
		forget(filepath.Dir(dir))
		if out, err := exec.Command("sh", filepath.Join(here, "build.sh"), lib+".new").CombinedOutput(); err != nil {
			return fmt.Errorf("fake: build.sh: %w\n%s", err, out)
		}
		return os.Rename(lib+".new", lib)
	})
}

// sources is a name for what the library is made of: everything in the folders of
// the fake and of the kernels that a C++ compiler reads, and the compiler's version.
func sources(cuda, compiler string) (string, error) {
	h := sha256.New()
	version, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s %s", compiler, version)
	for _, part := range []string{"fake", "kernels"} {
		err := filepath.WalkDir(filepath.Join(cuda, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(".cu.h.cpp.inc.sh", filepath.Ext(path)) {
				return err
			}
			text, err := os.ReadFile(path)
			fmt.Fprintf(h, "%s %d\n%s", strings.TrimPrefix(path, cuda), len(text), text)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// once makes a file unless it is there; of the processes that want it at a time one
// does. A lock that is older than any build is from one that was stopped.
func once(file string, build func() error) error {
	lock := file + ".lock"
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			defer os.Remove(lock)
			if err := f.Close(); err != nil {
				return err
			}
			if _, err := os.Stat(file); err == nil { // since we looked
				return nil
			}
			return build()
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("fake: %w", err)
		}
		if s, err := os.Stat(lock); err == nil && time.Since(s.ModTime()) > 5*time.Minute {
			_ = os.Remove(lock)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// forget removes libraries of other sources that nobody has built for a day.
func forget(cache string) {
	old, _ := filepath.Glob(filepath.Join(cache, "fake-*"))
	for _, dir := range old {
		if s, err := os.Stat(dir); err == nil && time.Since(s.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}
