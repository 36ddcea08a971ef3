//go:build linux

package format

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAtomicWriteKeeps: a new file has the permissions of the process's other
// files, one that is replaced keeps its own, a link goes on pointing to its file,
// and no temporary name is left behind or shown.
func TestAtomicWriteKeeps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	require.NoError(t, AtomicWrite(path, []byte("a")))
	mode := func() os.FileMode {
		st, err := os.Lstat(path)
		require.NoError(t, err)
		return st.Mode()
	}
	require.Equal(t, os.FileMode(0o640), mode())
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, AtomicWrite(path, []byte("b")))
	require.Equal(t, os.FileMode(0o600), mode())

	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("new", link))
	require.NoError(t, AtomicWrite(link, []byte("c")))
	to, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, "new", to)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "c", string(b))

	err = AtomicWrite(filepath.Join(dir, "none", "x"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualError(t, err, "format: writing "+filepath.Join(dir, "none", "x")+": no such file or directory")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)
}

// TestAtomicWriteDevice: what is no file, such as /dev/null, is written to and
// stays what it is.
func TestAtomicWriteDevice(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	got := make(chan []byte)
	go func() {
		b, _ := os.ReadFile(pipe)
		got <- b
	}()
	require.NoError(t, AtomicWrite(pipe, []byte("through")))
	require.Equal(t, "through", string(<-got))
	st, err := os.Lstat(pipe)
	require.NoError(t, err)
	require.NotZero(t, st.Mode()&os.ModeNamedPipe)
}
