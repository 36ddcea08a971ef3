// Package dataset reads labelled images: a folder with a folder of images for
// each class, MNIST's idx files, and strips (a PNG in which each row is an
// image).
package dataset

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/teff-ml/teff/tools/imageio"
)

// Set is labelled images. Images are decoded when asked for.
type Set struct {
	Name    string
	Classes []string // names; the label is an index into it
	Labels  []int
	// Skipped lists files that were left out and why.
	Skipped []string

	load func(i int) (*imageio.RGB, error)
	file func(i int) string // nil: images are no files of their own
}

// Len is the number of images.
func (s *Set) Len() int { return len(s.Labels) }

// Image decodes image i. It may be called from several goroutines.
func (s *Set) Image(i int) (*imageio.RGB, error) { return s.load(i) }

// File is where image i is: its file, or the set with the image's number.
func (s *Set) File(i int) string {
	if s.file != nil {
		return s.file(i)
	}
	return fmt.Sprintf("%s[%d]", s.Name, i)
}

// Subset is some of the images of s.
func (s *Set) Subset(index []int) *Set {
	c := *s
	c.Labels = make([]int, len(index))
	for i, j := range index {
		c.Labels[i] = s.Labels[j]
	}
	index = slices.Clone(index)
	c.load = func(i int) (*imageio.RGB, error) { return s.load(index[i]) }
	c.file = func(i int) string { return s.File(index[i]) }
	return &c
}

// Open reads what path is: a folder of class folders, a folder or file of idx
// images (name*-images-idx3-ubyte[.gz] beside name*-labels-idx1-ubyte[.gz]; of
// several in a folder, MNIST's test set before others), MNIST's training labels
// train-labels-idx1-ubyte.gz beside its images as strips (OpenMNISTTrain), or
// strips (name.png beside name.labels.u8, or a folder of such).
func Open(path string) (*Set, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if !st.IsDir() {
		switch {
		case strings.Contains(filepath.Base(path), "images-idx3"):
			return openIDX(path)
		case strings.Contains(filepath.Base(path), "train-labels-idx1"):
			return OpenMNISTTrain(filepath.Dir(path))
		case strings.HasSuffix(path, ".png"):
			return openStrips([]string{path})
		}
		return nil, fmt.Errorf("dataset: %s is neither an idx file of images nor a strip", path)
	}
	if m, _ := filepath.Glob(filepath.Join(path, "*.labels.u8")); len(m) > 0 {
		for i := range m {
			m[i] = strings.TrimSuffix(m[i], ".labels.u8") + ".png"
		}
		return openStrips(m)
	}
	s, err := openFolders(path)
	if !errors.Is(err, errNoClasses) {
		return s, err
	}
	for _, pattern := range []string{"t10k-images-idx3-ubyte*", "*images-idx3-ubyte*"} {
		if m, _ := filepath.Glob(filepath.Join(path, pattern)); len(m) > 0 {
			return openIDX(m[0])
		}
	}
	return nil, err
}

var errNoClasses = errors.New("no folders of images, idx files or strips")

// imageExt are the names of images.
var imageExt = []string{".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}

func openFolders(path string) (*Set, error) {
	dirs, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	s := &Set{Name: path}
	var files []string
	for _, d := range dirs {
		dir := filepath.Join(path, d.Name())
		if st, err := os.Stat(dir); err != nil || !st.IsDir() || strings.HasPrefix(d.Name(), ".") { // what links lead to, too
			continue
		}
		inside, skipped, err := Images(dir)
		if err != nil {
			return nil, err
		}
		if len(inside) == 0 {
			why := ""
			if len(skipped) > 0 {
				why = fmt.Sprintf(": %s is none by its name (%s)", filepath.Base(skipped[0]), strings.Join(imageExt, ", "))
			}
			return nil, fmt.Errorf("dataset: %s: class %q has no images%s", path, d.Name(), why)
		}
		for _, f := range inside {
			files = append(files, f)
			s.Labels = append(s.Labels, len(s.Classes))
		}
		for _, f := range skipped {
			rel, _ := filepath.Rel(path, f) // it is inside
			s.Skipped = append(s.Skipped, rel+": no image by its name")
		}
		s.Classes = append(s.Classes, d.Name())
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("dataset: %s: %w", path, errNoClasses)
	}
	s.load = func(i int) (*imageio.RGB, error) { return imageio.Load(files[i]) }
	s.file = func(i int) string { return files[i] }
	return s, nil
}

// Images are the images in a folder and in the folders inside it, in order, by
// their names, and the other files. Links are followed; what begins with a dot
// is left out.
func Images(dir string) (images, others []string, err error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	err = walkImages(dir, []os.FileInfo{st}, &images, &others)
	return images, others, err
}

// walkImages adds what is in dir, the last of the folders above.
func walkImages(dir string, above []os.FileInfo, images, others *[]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		st, err := os.Stat(path)
		switch {
		case err == nil && st.IsDir():
			if slices.ContainsFunc(above, func(a os.FileInfo) bool { return os.SameFile(a, st) }) {
				continue // a link back
			}
			if err := walkImages(path, append(slices.Clone(above), st), images, others); err != nil {
				return err
			}
		case slices.Contains(imageExt, strings.ToLower(filepath.Ext(path))):
			*images = append(*images, path) // where it cannot be read, reading says so
		default:
			*others = append(*others, path)
		}
	}
	return nil
}

// maxBytes bounds what one file may unpack to.
const maxBytes = 1 << 30

// openAll reads a file, unpacked if its name ends in .gz.
func openAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("dataset: %s: %w", path, err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	if len(b) > maxBytes {
		return nil, fmt.Errorf("dataset: %s: more than %d MiB unpacked", path, maxBytes>>20)
	}
	return b, nil
}

func openIDX(path string) (*Set, error) {
	images, err := openAll(path)
	if err != nil {
		return nil, err
	}
	name := strings.Replace(filepath.Base(path), "images-idx3", "labels-idx1", 1) // the folder may be called images, too
	labels, err := openAll(filepath.Join(filepath.Dir(path), name))
	if err != nil {
		return nil, err
	}
	be := binary.BigEndian
	if len(images) < 16 || len(labels) < 8 || be.Uint32(images) != 2051 || be.Uint32(labels) != 2049 {
		return nil, fmt.Errorf("dataset: %s: no idx file of images with labels", path)
	}
	n, h, w := int(be.Uint32(images[4:])), int(be.Uint32(images[8:])), int(be.Uint32(images[12:]))
	images, labels = images[16:], labels[min(len(labels), 8):]
	if n < 1 || h < 1 || w < 1 || h > 1<<14 || w > 1<<14 || n > len(images)/(h*w) || n > len(labels) {
		return nil, fmt.Errorf("dataset: %s: %d images of %d x %d, the files are shorter", path, n, w, h)
	}
	s := &Set{Name: path}
	s.setLabels(labels[:n])
	s.load = func(i int) (*imageio.RGB, error) { return grayRGB(images[i*h*w:(i+1)*h*w], w, h), nil }
	return s, nil
}

func grayRGB(p []byte, w, h int) *imageio.RGB {
	m := &imageio.RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	for i, v := range p {
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = v, v, v
	}
	return m
}

// setLabels takes labels and names the classes by number.
func (s *Set) setLabels(l []byte) {
	for _, v := range l {
		s.Labels = append(s.Labels, int(v))
		for len(s.Classes) <= int(v) {
			s.Classes = append(s.Classes, fmt.Sprint(len(s.Classes)))
		}
	}
}

// rowSide is the side of a square of n pixels, rounded up.
func rowSide(n int) int {
	d := 1
	for d*d < n {
		d++
	}
	return d
}

// openStrips reads PNGs whose rows are square images, with a file of labels
// each.
func openStrips(paths []string) (*Set, error) {
	slices.Sort(paths)
	s := &Set{Name: filepath.Dir(paths[0])}
	type row struct {
		strip *imageio.RGB
		y     int
	}
	var rows []row
	for _, p := range paths {
		labels, err := openAll(strings.TrimSuffix(p, ".png") + ".labels.u8")
		if err != nil {
			return nil, err
		}
		m, err := imageio.Load(p)
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		if side := rowSide(m.W); side*side != m.W || len(labels) != m.H {
			return nil, fmt.Errorf("dataset: %s: rows of %d pixels and %d labels for %d rows", p, m.W, len(labels), m.H)
		}
		for y := range m.H {
			rows = append(rows, row{m, y})
		}
		s.setLabels(labels)
	}
	s.load = func(i int) (*imageio.RGB, error) {
		r := rows[i]
		n := 3 * r.strip.W
		d := rowSide(r.strip.W)
		return &imageio.RGB{W: d, H: d, Pix: slices.Clone(r.strip.Pix[r.y*n : (r.y+1)*n])}, nil
	}
	return s, nil
}

// OpenMNISTTrain reads MNIST's 60,000 training digits from strips
// train_batch_NN.png of 784 pixels a row beside their idx labels.
func OpenMNISTTrain(dir string) (*Set, error) {
	labels, err := openAll(filepath.Join(dir, "train-labels-idx1-ubyte.gz"))
	if err != nil {
		return nil, err
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "train_batch_*.png"))
	slices.Sort(paths)
	s := &Set{Name: dir}
	var pix []byte
	for _, p := range paths {
		m, err := imageio.Load(p)
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		if m.W != 784 {
			return nil, fmt.Errorf("dataset: %s is %d pixels wide, want 784", p, m.W)
		}
		for i := 0; i < len(m.Pix); i += 3 {
			pix = append(pix, m.Pix[i])
		}
	}
	n := len(pix) / 784
	if n == 0 || len(labels) != 8+n || binary.BigEndian.Uint32(labels) != 2049 {
		return nil, fmt.Errorf("dataset: %s: %d images, %d bytes of labels", dir, n, len(labels))
	}
	s.setLabels(labels[8 : 8+n])
	s.load = func(i int) (*imageio.RGB, error) { return grayRGB(pix[i*784:(i+1)*784], 28, 28), nil }
	return s, nil
}
