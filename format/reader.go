package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
)

// Parse reads a file from bytes, such as those of go:embed, without copying
// weights that are stored as they are. b must not change while the file is in
// use.
func Parse(b []byte) (*File, error) { return parse(b, nil) }

// ParseCompact is Parse for a network that is only to run: large weights of dense
// layers that the file has in fewer bits are decoded to no more than a byte or two
// an element. They have a Source and no Data, see tensor.Tensor.
func ParseCompact(b []byte) (*File, error) { return parse(b, keep) }

func parse(b []byte, keep keeper) (*File, error) {
	f := &File{data: b, Size: len(b)}
	if err := f.contents(); err != nil {
		return nil, err
	}
	g, weights := f.section(SectionGraph), f.section(SectionWeights)
	if g == nil {
		return nil, &FormatError{Section: "contents", Msg: "there is no graph"}
	}
	d := &dec{b: g, section: "graph", keep: keep}
	var err error
	if f.Graph, f.Weights, err = d.graph(weights); err != nil {
		return nil, err
	}
	if m := f.section(SectionMeta); m != nil {
		if len(m) > maxMeta {
			return nil, &FormatError{Section: "metadata", Msg: fmt.Sprintf("%d bytes, at most %d", len(m), maxMeta)}
		}
		if f.Metadata, err = parseMetadata(m); err != nil {
			return nil, err
		}
	}
	if s := f.section(SectionGolden); s != nil {
		if f.Golden, err = parseGolden(s); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// maxStream bounds what Read takes from a stream.
const maxStream = 1<<31 - 1

// Read is Parse for a stream, which must end where the file does.
func Read(r io.Reader) (*File, error) {
	head := make([]byte, headerSize)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return Parse(head[:n]) // too short: says how
	}
	if err != nil {
		return nil, errorf("format: %w", err)
	}
	if err := checkHeader(head); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint64(head[16:])
	if size < headerSize || size > maxStream {
		return nil, &FormatError{Section: "header", Offset: 16, Msg: fmt.Sprintf("%d bytes in a stream", size)}
	}
	// The header says how much there should be, but only what comes is believed:
	// beyond the first part the buffer doubles as bytes arrive.
	b := tensor.AlignedBytes(int(min(size, 32<<20)))
	for at := copy(b, head); ; {
		n, err := io.ReadFull(r, b[at:])
		at += n
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, errorf("%w: %d bytes of %d", ErrTruncated, at, size)
		}
		if err != nil {
			return nil, errorf("format: %w", err)
		}
		if uint64(at) == size {
			break
		}
		more := tensor.AlignedBytes(int(min(size, 2*uint64(at))))
		copy(more, b)
		b = more
	}
	if n, _ := io.ReadFull(r, head[:1]); n > 0 {
		return nil, &FormatError{Section: "header", Offset: 16, Msg: fmt.Sprintf("bytes after the %d of the file", size)}
	}
	return Parse(b)
}

// checkHeader checks what the first bytes say by themselves.
func checkHeader(b []byte) error {
	if len(b) < len(Magic) && string(b) == Magic[:len(b)] && len(b) > 0 {
		return errorf("%w: %d bytes", ErrTruncated, len(b))
	}
	if !IsTeff(b) {
		return ErrMagic
	}
	if len(b) < headerSize {
		return errorf("%w: %d bytes", ErrTruncated, len(b))
	}
	le := binary.LittleEndian
	if crc32.Checksum(b[:headerSize-4], castagnoli) != le.Uint32(b[headerSize-4:]) {
		return errorf("%w: header", ErrChecksum)
	}
	if v := le.Uint16(b[8:]); v != Major {
		return errorf("%w: file is version %d.%d, this program reads %d", ErrVersion, v, le.Uint16(b[10:]), Major)
	}
	return nil
}

// contents checks the header and every section.
func (f *File) contents() error {
	b := f.data
	if err := checkHeader(b); err != nil {
		return err
	}
	le := binary.LittleEndian
	if n := le.Uint64(b[16:]); n != uint64(len(b)) {
		if n > uint64(len(b)) {
			return errorf("%w: %d bytes of %d", ErrTruncated, len(b), n)
		}
		return &FormatError{Section: "header", Offset: 16, Msg: fmt.Sprintf("file is %d bytes, %d expected", len(b), n)}
	}
	at, size, count := le.Uint64(b[24:]), le.Uint32(b[32:]), le.Uint32(b[36:])
	if count > maxSections || size != count*entrySize || at > uint64(len(b)) || uint64(size) > uint64(len(b))-at {
		return &FormatError{Section: "header", Offset: 24, Msg: "table of contents lies outside the file"}
	}
	toc := b[at : at+uint64(size)]
	if crc32.Checksum(toc, castagnoli) != le.Uint32(b[40:]) {
		return errorf("%w: table of contents", ErrChecksum)
	}
	for i := range int(count) {
		if err := f.entry(toc[i*entrySize:(i+1)*entrySize], i); err != nil {
			return err
		}
	}
	if err := f.gaps(int(at), int(at)+int(size)); err != nil {
		return err
	}
	for _, s := range f.Sections {
		if checksum(f.data[s.Offset:s.Offset+s.Length]) != s.CRC32C {
			return errorf("%w: %s", ErrChecksum, s.Name)
		}
	}
	return nil
}

// gaps checks that sections do not overlap and that what lies between them is
// short and zero: nothing hides in a file, and every bit of it is checked.
func (f *File) gaps(toc, tocEnd int) error {
	type span struct{ from, to int }
	spans := []span{{0, headerSize}, {toc, tocEnd}, {len(f.data), len(f.data)}}
	for _, s := range f.Sections {
		spans = append(spans, span{s.Offset, s.Offset + s.Length})
	}
	for i := range spans { // few: sorting them here takes less code
		for ; i > 0 && (spans[i-1].from > spans[i].from || spans[i-1].from == spans[i].from && spans[i-1].to > spans[i].to); i-- {
			spans[i-1], spans[i] = spans[i], spans[i-1]
		}
	}
	end := 0
	for _, s := range spans {
		if s.from < end {
			return &FormatError{Section: "contents", Offset: s.from, Msg: "sections overlap"}
		}
		if s.from-end >= pageSize {
			return &FormatError{Section: "contents", Offset: end, Msg: fmt.Sprintf("%d bytes that belong to no section", s.from-end)}
		}
		for i, x := range f.data[end:s.from] {
			if x != 0 {
				return &FormatError{Section: "contents", Offset: end + i, Msg: "padding is not zero"}
			}
		}
		end = s.to
	}
	return nil
}

// entry reads one entry of the table of contents; what it says of the section's
// bytes is checked later.
func (f *File) entry(e []byte, i int) error {
	le := binary.LittleEndian
	kind, flags, at, n := le.Uint32(e), le.Uint32(e[4:]), le.Uint64(e[8:]), le.Uint64(e[16:])
	s := Section{Kind: int(kind), Name: sectionName(int(kind)), Required: flags&1 != 0, CRC32C: le.Uint32(e[24:])}
	copy(s.SHA256[:], e[32:])
	if at > uint64(len(f.data)) || n > uint64(len(f.data))-at {
		return &FormatError{Section: "contents", Offset: i * entrySize, Msg: s.Name + " lies outside the file"}
	}
	s.Offset, s.Length = int(at), int(n)
	_, known := sectionNames[s.Kind]
	if !known && s.Required {
		return &UnsupportedError{s.Name + ", which the file requires,"}
	}
	if slices.ContainsFunc(f.Sections, func(o Section) bool { return o.Kind == s.Kind }) {
		return &FormatError{Section: "contents", Offset: i * entrySize, Msg: s.Name + " is there twice"}
	}
	f.Sections = append(f.Sections, s)
	return nil
}

// section is the bytes of a section, nil when there is none.
//
//go:noinline
func (f *File) section(kind int) []byte {
	for _, s := range f.Sections {
		if s.Kind == kind {
			return f.data[s.Offset : s.Offset+s.Length : s.Offset+s.Length]
		}
	}
	return nil
}

// Check compares every section with its SHA-256, which opening does not.
func (f *File) Check() error {
	for _, s := range f.Sections {
		if sum256(f.data[s.Offset:s.Offset+s.Length]) != s.SHA256 {
			return errorf("%w: SHA-256 of %s", ErrChecksum, s.Name)
		}
	}
	return nil
}

// golden = tolerance f32, count tensor*, count tensor*; tensor = spec, bytes

func (g *Golden) encode() []byte {
	var e enc
	e.float(g.Tolerance)
	for _, ts := range [][]tensor.Tensor{g.Inputs, g.Outputs} {
		e.uint(uint64(len(ts)))
		for _, t := range ts {
			e.spec(t.Spec)
			e.b = append(e.b, t.Data...)
		}
	}
	return e.b
}

func parseGolden(b []byte) (*Golden, error) {
	d := &dec{b: b, section: "golden", limit: maxGraphBytes}
	g := &Golden{Tolerance: d.float()}
	for _, ts := range []*[]tensor.Tensor{&g.Inputs, &g.Outputs} {
		for range d.count(3) {
			if len(*ts) == maxGolden {
				d.fail("too many tensors")
				break
			}
			t := tensor.Tensor{Spec: d.spec()}
			if d.err != nil || t.Bytes() > d.left() {
				d.fail("tensor is cut short")
				break
			}
			t.Data = tensor.AlignedBytes(t.Bytes())
			copy(t.Data, d.bytes(t.Bytes()))
			*ts = append(*ts, t)
		}
	}
	if d.err == nil && d.left() > 0 {
		d.fail("bytes after the tensors")
	}
	return g, d.err
}
