// Package format reads and writes .teff files. SPEC.md beside this file
// describes every byte.
//
// A file holds a portable graph: its batch norm unfolded where the source had
// it, so that the same file infers (folded when it is opened) and trains.
package format

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Magic starts every file. The line ends and the 0x1a find transfers that
// treat the file as text.
const Magic = "TEFF\r\n\x1a\n"

// The version this package writes. It reads every minor version of its major
// one: a minor version adds optional sections, encodings and operators.
const (
	Major = 1
	Minor = 1
)

// What is fixed in the layout.
const (
	headerSize  = 64
	entrySize   = 64
	pageSize    = 4096      // alignment of the weights, and more than any gap
	pageFrom    = 256 << 10 // shorter weights start at weightAlign
	weightAlign = 64        // alignment of a tensor in them
	maxSections = 64
	maxBatch    = 1 << 20 // the batch size that extents are written for
	maxMeta     = 2 << 20 // bytes of metadata
	maxGolden   = 4096    // golden inputs, and outputs
)

// What opening a file may allocate beyond the file itself. A graph's parts and
// decoded weights take more memory than they do in the file, and a hostile file
// would have them take far more: a node is five bytes there and hundreds here.
const (
	maxGraphBytes  = 24 << 20 // for nodes and attributes, and as much as the section is long
	maxDecodeBytes = 32 << 20 // for decoded weights, and maxDecodeRatio times the section's length
	maxDecodeRatio = 32       // two-bit weights take a sixteenth of float32, entropy coding halves them
	nodeBytes      = 1024     // what a node, its operator and its specs are taken to need
	paramBytes     = 512      // a parameter
)

// Sections, by number.
const (
	SectionGraph   = 1 // operators, shapes, where the weights are; required
	SectionWeights = 2 // tensor data; required
	SectionMeta    = 3 // labels and preprocessing
	SectionGolden  = 4 // an input and what the model made of it
	SectionSign    = 5 // place for a signature over the table of contents
)

// What callers tell apart. Errors wrap these.
var (
	ErrMagic     = errors.New("format: not a .teff file")
	ErrVersion   = errors.New("format: version not supported")
	ErrTruncated = errors.New("format: file is cut short")
	ErrChecksum  = errors.New("format: checksum does not match")
)

// FormatError says what is wrong in which section.
type FormatError struct {
	Section string
	Offset  int // in the section, where known
	Msg     string
	Err     error // cause, may be nil
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("format: %s at byte %d: %s", e.Section, e.Offset, e.Msg)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *FormatError) Unwrap() error { return e.Err }

// UnsupportedError says that a file needs something this version does not
// know.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string {
	return "format: " + e.What + " is not known to this version"
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// IsTeff reports whether a file that starts with head is a .teff file.
func IsTeff(head []byte) bool { return len(head) >= 8 && string(head[:8]) == Magic }

// Section is an entry of the table of contents.
type Section struct {
	Kind     int      `json:"kind"`
	Name     string   `json:"name"`
	Required bool     `json:"required"`
	Offset   int      `json:"offset"`
	Length   int      `json:"length"`
	CRC32C   uint32   `json:"crc32c"`
	SHA256   [32]byte `json:"-"`
}

var sectionNames = map[int]string{
	SectionGraph: "graph", SectionWeights: "weights", SectionMeta: "metadata", SectionGolden: "golden", SectionSign: "signature",
}

func sectionName(kind int) string {
	if n, ok := sectionNames[kind]; ok {
		return n
	}
	return fmt.Sprintf("section %d", kind)
}

// File is an opened file. Weights that are stored as they are alias its bytes,
// so it is closed after everything that uses its graph.
type File struct {
	Graph    *graph.Graph
	Metadata *Metadata // nil when there is none
	Golden   *Golden   // nil when there is none
	Sections []Section
	Weights  []WeightInfo
	Size     int

	data   []byte
	close  func() error
	mapped bool // data is a map of the file
}

// WeightInfo describes one stored tensor.
type WeightInfo struct {
	Name     string // node.index
	Spec     tensor.Spec
	Encoding Encoding
	Bytes    int // stored
}

// Close unmaps the file. It may be called more than once.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	c := f.close
	f.close, f.mapped = nil, false
	return c()
}

// Release says that b, bytes of a tensor, will hardly be read again: whole
// pages of a mapped file need not stay in memory. They may be read all the
// same, and come back from the file. Other bytes are left alone.
func (f *File) Release(b []byte) {
	at, ok := tensor.Within(f.data, b)
	if !f.mapped || !ok {
		return
	}
	page := os.Getpagesize()
	from, to := (at+page-1)/page*page, (at+len(b))/page*page
	if from < to {
		release(f.data[from:to])
	}
}

// Metadata is what a program needs beside the numbers.
type Metadata struct {
	Labels      []string          `json:"labels,omitempty"`
	Preprocess  *Preprocess       `json:"preprocess,omitempty"`
	Source      string            `json:"source,omitempty"`
	Description string            `json:"description,omitempty"`
	Extra       map[string]string `json:"extra,omitempty"`
}

// Preprocess says how an image becomes the input: scaled so that Resize fits,
// cut to Height x Width from the middle, then (value*Scale - Mean) / Std for
// each channel, values being 0 to 255.
type Preprocess struct {
	Width  int       `json:"width,omitempty"`
	Height int       `json:"height,omitempty"`
	Resize int       `json:"resize,omitempty"` // shorter side before the cut; 0: stretch to Width x Height
	Mode   string    `json:"mode,omitempty"`   // nearest, bilinear, bilinear-legacy, antialias, area
	Scale  float32   `json:"scale,omitempty"`  // 0 means 1
	Mean   []float32 `json:"mean,omitempty"`
	Std    []float32 `json:"std,omitempty"`
	Order  string    `json:"order,omitempty"`  // rgb (default), bgr, gray
	Layout string    `json:"layout,omitempty"` // nhwc (default), nchw
}

// Golden is an input and the outputs the writer got for it.
type Golden struct {
	Inputs, Outputs []tensor.Tensor
	// Tolerance is the largest difference, relative to the norm, that still
	// counts as equal; 0 asks for equal bits.
	Tolerance float32
}

// decodes reports that weights are stored in another form than they are used in.
func (f *File) decodes() bool {
	for _, w := range f.Weights {
		if w.Encoding != Raw {
			return true
		}
	}
	return false
}

// errorf is fmt.Errorf, called and not copied into every caller.
//
//go:noinline
func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }
