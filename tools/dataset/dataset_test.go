package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
)

// gray is a PNG of w x h pixels counting up from first.
func gray(t *testing.T, w, h, first int) []byte {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.SetGray(i%w, i/w, color.Gray{uint8(first + i)})
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

func write(t *testing.T, b []byte, elem ...string) {
	p := filepath.Join(elem...)
	require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
	require.NoError(t, os.WriteFile(p, b, 0o644))
}

func packed(t *testing.T, b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return z.Bytes()
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, gray(t, 3, 2, 0), dir, "ant", "1.png")
	write(t, gray(t, 3, 2, 50), dir, "bee", "1.PNG")
	write(t, []byte("no picture"), dir, "bee", "2.jpg")
	write(t, []byte("notes"), dir, "bee", "readme.txt")
	write(t, nil, dir, ".hidden", "x")
	s, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"ant", "bee"}, s.Classes)
	require.Equal(t, []int{0, 1, 1}, s.Labels)
	require.Len(t, s.Skipped, 1)
	require.Contains(t, s.Skipped[0], "readme.txt")
	m, err := s.Image(1)
	require.NoError(t, err)
	require.Equal(t, []uint8{50, 50, 50, 51}, m.Pix[:4])
	_, err = s.Image(2)
	require.ErrorContains(t, err, "2.jpg")
	sub := s.Subset([]int{1})
	require.Equal(t, 1, sub.Len())
	m, err = sub.Image(0)
	require.NoError(t, err)
	require.Equal(t, uint8(50), m.Pix[0])

	require.NoError(t, os.Mkdir(filepath.Join(dir, "wasp"), 0o755))
	_, err = Open(dir)
	require.ErrorContains(t, err, `class "wasp" has no images`)
	_, err = Open(t.TempDir())
	require.ErrorContains(t, err, "no folders of images")
	_, err = Open(filepath.Join(dir, "absent"))
	require.ErrorContains(t, err, "absent")
}

func idx(n, h, w int) (images, labels []byte) {
	be := binary.BigEndian
	images = be.AppendUint32(be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, 2051), uint32(n)), uint32(h)), uint32(w))
	labels = be.AppendUint32(be.AppendUint32(nil, 2049), uint32(n))
	for i := range n * h * w {
		images = append(images, byte(i))
	}
	for i := range n {
		labels = append(labels, byte(i%3))
	}
	return images, labels
}

func TestIDX(t *testing.T) {
	for _, zipped := range []bool{false, true} {
		dir, ext := filepath.Join(t.TempDir(), "images"), ""
		images, labels := idx(5, 2, 3)
		if zipped {
			images, labels, ext = packed(t, images), packed(t, labels), ".gz"
		}
		write(t, images, dir, "x-images-idx3-ubyte"+ext)
		write(t, labels, dir, "x-labels-idx1-ubyte"+ext)
		for _, path := range []string{dir, filepath.Join(dir, "x-images-idx3-ubyte"+ext)} {
			s, err := Open(path)
			require.NoError(t, err)
			require.Equal(t, []int{0, 1, 2, 0, 1}, s.Labels)
			require.Equal(t, []string{"0", "1", "2"}, s.Classes)
			m, err := s.Image(4)
			require.NoError(t, err)
			require.Equal(t, []int{3, 2, 24}, []int{m.W, m.H, int(m.Pix[0])})
		}
	}
	// Damage: every cut, and counts that are not there.
	dir := t.TempDir()
	images, labels := idx(5, 2, 3)
	try := func(images, labels []byte) error {
		write(t, images, dir, "x-images-idx3-ubyte")
		write(t, labels, dir, "x-labels-idx1-ubyte")
		_, err := Open(dir)
		return err
	}
	require.NoError(t, try(images, labels))
	for n := range images {
		require.Error(t, try(images[:n], labels), "%d bytes of images", n)
	}
	for n := range labels {
		require.Error(t, try(images, labels[:n]), "%d bytes of labels", n)
	}
	for at := 4; at < 16; at += 4 {
		bad := bytes.Clone(images)
		binary.BigEndian.PutUint32(bad[at:], 0xFFFFFFFF)
		require.Error(t, try(bad, labels))
		binary.BigEndian.PutUint32(bad[at:], 0)
		require.Error(t, try(bad, labels))
	}
}

func TestStrips(t *testing.T) {
	dir := t.TempDir()
	write(t, gray(t, 16, 2, 0), dir, "a.png")
	write(t, []byte{2, 0}, dir, "a.labels.u8")
	write(t, gray(t, 16, 1, 100), dir, "b.png")
	write(t, []byte{1}, dir, "b.labels.u8")
	s, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, []int{2, 0, 1}, s.Labels)
	require.Len(t, s.Classes, 3)
	m, err := s.Image(1)
	require.NoError(t, err)
	require.Equal(t, []int{4, 4, 16}, []int{m.W, m.H, int(m.Pix[0])})
	m, err = s.Image(2)
	require.NoError(t, err)
	require.Equal(t, uint8(100), m.Pix[0])

	write(t, []byte{1, 1}, dir, "b.labels.u8")
	_, err = Open(dir)
	require.ErrorContains(t, err, "2 labels for 1 rows")
	write(t, []byte{1}, dir, "b.labels.u8")
	write(t, gray(t, 17, 1, 0), dir, "b.png")
	_, err = Open(dir)
	require.ErrorContains(t, err, "rows of 17 pixels")
}

// TestRealSets opens the real sets and looks at their counts and at one image
// whose pixels are known otherwise.
func TestRealSets(t *testing.T) {
	for _, c := range []struct {
		path                string
		n, classes, w, h, k int // k: label of image 0
	}{
		{"cifar10-lossless", 2000, 10, 32, 32, 6},
		{"mnist", 10000, 10, 28, 28, 7},
		{"mnist/train-labels-idx1-ubyte.gz", 60000, 10, 28, 28, 5},
		{"cifar10-jpeg/train", 4000, 10, 32, 32, 0},
		{"dog-cat", 200, 2, 0, 0, 0},
	} {
		t.Run(c.path, func(t *testing.T) {
			s, err := Open(shared.Path(t, "datasets", c.path))
			require.NoError(t, err)
			got := []int{s.Len(), len(s.Classes), s.Labels[0]}
			require.Equal(t, []int{c.n, c.classes, c.k}, got, fmt.Sprint(s.Skipped))
			m, err := s.Image(0)
			require.NoError(t, err)
			if c.w > 0 {
				require.Equal(t, []int{c.w, c.h}, []int{m.W, m.H})
			}
		})
	}
}

// TestDeepFolders: images lie in folders inside a class's, and folders are links;
// one that leads back ends there. Files that begin with a dot are no images.
func TestDeepFolders(t *testing.T) {
	dir, far := t.TempDir(), t.TempDir()
	write := func(path string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, image.NewGray(image.Rect(0, 0, 2, 2))))
		require.NoError(t, f.Close())
	}
	write(filepath.Join(dir, "a cät", "1.PNG"))
	write(filepath.Join(dir, "a cät", "._1.png"))
	write(filepath.Join(dir, "a cät", "deep", "er", "2.png"))
	write(filepath.Join(far, "3.png"))
	if err := os.Symlink(far, filepath.Join(dir, "dog")); err != nil {
		t.Skip("no links here:", err)
	}
	require.NoError(t, os.Symlink(far, filepath.Join(far, "back")))
	require.NoError(t, os.WriteFile(filepath.Join(far, "notes.txt"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "readme.txt"), nil, 0o644))
	s, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"a cät", "dog"}, s.Classes)
	require.Equal(t, []int{0, 0, 1}, s.Labels)
	require.Equal(t, []string{filepath.Join("dog", "notes.txt") + ": no image by its name"}, s.Skipped)
	for i := range s.Len() {
		m, err := s.Image(i)
		require.NoError(t, err)
		require.Equal(t, 2, m.W)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "phone"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "phone", "IMG_1.HEIC"), nil, 0o644))
	_, err = Open(dir)
	require.ErrorContains(t, err, "IMG_1.HEIC is none by its name (.png, ")
}
