// Package unzstd decodes Zstandard (RFC 8878), and nothing else: an encoder, its
// tables and what streams need weigh more than most programs that run networks
// would like (runtime/RATIONALE.md).
//
// The caller knows the content's size, so dst is the window, nothing is
// allocated, and no size that the bytes state is believed.
package unzstd

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// What may be wrong with src. Errors of Decode wrap one of them.
var (
	ErrCorrupt    = errors.New("corrupt bytes")
	ErrTruncated  = errors.New("cut short")
	ErrSize       = errors.New("content of another size than expected")
	ErrChecksum   = errors.New("wrong checksum")
	ErrDictionary = errors.New("dictionaries are not supported")
)

// Error says where decoding failed.
type Error struct {
	At  int // offset into src of the frame or block that is wrong
	Err error
}

func (e *Error) Error() string { return "unzstd: at byte " + strconv.Itoa(e.At) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

const (
	magic        = 0xfd2fb528
	magicSkipped = 0x184d2a50 // and the 15 after it

	blockRepeated, blockCompressed = 1, 2 // kinds of blocks; 0 is as it is, 3 reserved
)

// Decode decodes src, one or more frames, into dst. The content of all of them
// must be just as long as dst. Checksums are verified where frames have them.
//
// It returns how many bytes of dst are sure; after an error others may have been
// written too. The error is an *Error that wraps one of those above.
func Decode(dst, src []byte) (n int, err error) {
	var f frame
	at := 0
	for at < len(src) || at == 0 {
		f.dst, f.at = dst[n:], 0
		used, err := f.decode(src[at:])
		if err != nil {
			return n, &Error{at + used, err}
		}
		at += used
		n += f.at
	}
	if n < len(dst) {
		return n, &Error{at, ErrSize}
	}
	return n, nil
}

// decode decodes the frame at the start of src and returns its length, or where
// it is wrong.
func (f *frame) decode(src []byte) (int, error) {
	if len(src) < 5 {
		return 0, ErrTruncated
	}
	switch m := binary.LittleEndian.Uint32(src); {
	case m&^15 == magicSkipped:
		if len(src) < 8 || uint64(binary.LittleEndian.Uint32(src[4:])) > uint64(len(src)-8) {
			return 0, ErrTruncated
		}
		return 8 + int(binary.LittleEndian.Uint32(src[4:])), nil
	case m != magic:
		return 0, ErrCorrupt
	}

	h, err := f.header(src)
	if err != nil {
		return 0, err
	}
	at, err := f.blocks(src, h.length)
	if err != nil {
		return at, err
	}
	if h.sized && f.at < len(f.dst) {
		return at, ErrSize
	}
	if h.checked {
		if len(src)-at < 4 {
			return at, ErrTruncated
		}
		if binary.LittleEndian.Uint32(src[at:]) != uint32(xxh64(f.dst[:f.at])) {
			return at, ErrChecksum
		}
		at += 4
	}
	return at, nil
}

// header is what stands in front of a frame's blocks.
type header struct {
	length  int  // with the magic number
	sized   bool // it states the content's size, to which dst is cut
	checked bool // a checksum follows the blocks
}

// header reads descriptor, window's size unless the content is one segment,
// dictionary, content's size.
func (f *frame) header(src []byte) (h header, err error) {
	flags := src[4]
	if flags&8 != 0 {
		return h, ErrCorrupt
	}
	single := flags >> 5 & 1
	dict := 1 << (flags & 3) >> 1
	size := 1 << (flags >> 6) &^ 1 // 0, 2, 4 or 8
	if size == 0 {
		size = int(single)
	}
	from := 6 - int(single)
	h = header{length: from + dict + size, sized: size > 0, checked: flags&4 != 0}
	if h.length > len(src) {
		return h, ErrTruncated
	}
	for _, x := range src[from : from+dict] {
		if x != 0 {
			return h, ErrDictionary
		}
	}
	if h.sized {
		var stated uint64
		for i, x := range src[h.length-size : h.length] {
			stated |= uint64(x) << (8 * i)
		}
		if size == 2 {
			stated += 256
		}
		if stated > uint64(len(f.dst)) {
			return h, ErrSize
		}
		f.dst = f.dst[:stated]
	}
	return h, nil
}

// blocks decodes the blocks from src[at] on and returns where they end, or which is
// wrong.
func (f *frame) blocks(src []byte, at int) (int, error) {
	f.last = [3]uint32{1, 4, 8}
	f.huff.ok = false
	for i := range f.fse {
		f.fse[i].ok = false
	}
	for end := false; !end; {
		if len(src)-at < 3 {
			return at, ErrTruncated
		}
		h := int(src[at]) | int(src[at+1])<<8 | int(src[at+2])<<16
		kind, n := h>>1&3, h>>3
		stored := n
		if kind == blockRepeated {
			stored = 1
		}
		if kind > blockCompressed || n > maxBlock {
			return at, ErrCorrupt
		}
		if stored > len(src)-at-3 {
			return at, ErrTruncated
		}
		b := src[at+3:][:stored]
		if kind == blockCompressed {
			if !f.compressed(b) {
				return at, ErrCorrupt
			}
		} else {
			if n > len(f.dst)-f.at {
				return at, ErrSize
			}
			to := f.dst[f.at : f.at+n]
			if copy(to, b); kind == blockRepeated {
				for i := range to {
					to[i] = b[0]
				}
			}
			f.at += n
		}
		at += 3 + stored
		end = h&1 != 0
	}
	return at, nil
}
