package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// archive reads what torch.save has written since PyTorch 1.6: a zip archive with the
// pickle ROOT/data.pkl and each storage as ROOT/data/KEY.
func (s *Set) archive(b []byte) error {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return formatf("the zip archive: %v", err)
	}
	files := map[string]*zip.File{}
	root := ""
	for _, f := range z.File {
		files[f.Name] = f
		if before, ok := strings.CutSuffix(f.Name, "data.pkl"); ok {
			root = before
		}
	}
	p := files[root+"data.pkl"]
	if p == nil {
		return formatf("a zip archive without a data.pkl: no file of torch.save's")
	}
	left := 4*len(b) + 1<<20 // torch.save does not deflate, and weights hardly shrink
	read := func(f *zip.File) ([]byte, error) {
		if f.UncompressedSize64 > uint64(left) {
			return nil, formatf("%s unfolds to %d bytes", f.Name, f.UncompressedSize64)
		}
		left -= int(f.UncompressedSize64)
		if f.Method == zip.Store {
			if at, err := f.DataOffset(); err == nil && at >= 0 && f.UncompressedSize64 <= uint64(int64(len(b))-min(at, int64(len(b)))) {
				return b[at:][:f.UncompressedSize64], nil
			}
		}
		r, err := f.Open()
		if err != nil {
			return nil, formatf("%s: %v", f.Name, err)
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, int64(f.UncompressedSize64)))
		if err != nil {
			return nil, formatf("%s: %v", f.Name, err)
		}
		return data, nil
	}
	if f := files[root+"byteorder"]; f != nil {
		order, err := read(f)
		if err != nil {
			return err
		}
		if string(order) != "little" {
			return formatf("the byte order is %q", order)
		}
	}
	text, err := read(p)
	if err != nil {
		return err
	}
	v, _, err := unpickle(text, map[string]kind{})
	if err != nil {
		return err
	}
	data := map[string][]byte{}
	return s.state(v, func(key string) ([]byte, error) {
		if d, ok := data[key]; ok {
			return d, nil
		}
		f := files[root+"data/"+key]
		if f == nil {
			return nil, formatf("there is no storage %q", key)
		}
		d, err := read(f)
		data[key] = d
		return d, err
	})
}

// streamsMagic is the number that torch.save began with before, a pickle of its own.
var streamsMagic = []byte{opProto, 2, opLong1, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, opStop}

// streams reads what torch.save wrote before PyTorch 1.6: pickles of a magic number, a
// version, the system, the object and the keys of storages, then of each the number of
// elements and these.
func (s *Set) streams(b []byte) error {
	var object any
	var keys *list
	seen := map[string]kind{}
	for i := range 5 {
		v, n, err := unpickle(b, seen)
		if err != nil {
			return err
		}
		b = b[n:]
		switch i {
		case 3:
			object = v
		case 4:
			keys, _ = v.(*list)
		}
	}
	if keys == nil {
		return formatf("no list of storages")
	}
	data := map[string][]byte{}
	for _, k := range keys.items {
		key, ok := k.(string)
		size := seen[key].size()
		if !ok || size == 0 || len(b) < 8 {
			return formatf("storage %v has no type or no length", k)
		}
		n := binary.LittleEndian.Uint64(b)
		if b = b[8:]; n > uint64(len(b)/size) {
			return formatf("storage %q of %d elements in %d bytes", key, n, len(b))
		}
		data[key], b = b[:int(n)*size], b[int(n)*size:]
	}
	return s.state(object, func(key string) ([]byte, error) {
		if d, ok := data[key]; ok {
			return d, nil
		}
		return nil, formatf("there is no storage %q", key)
	})
}

// state adds the tensors of an object: a state dict, or a dict that holds one beside
// other things (a checkpoint), of which the one with the most tensors is taken.
func (s *Set) state(object any, storage func(key string) ([]byte, error)) error {
	best, most := object, 0
	if d, ok := object.(*dict); ok && own(d) == 0 {
		for _, v := range d.values {
			if inner, ok := v.(*dict); ok && own(inner) > most {
				best, most = inner, own(inner)
			}
		}
	}
	d, ok := best.(*dict)
	if !ok {
		return formatf("no state dict: a whole module was saved, of which only its state_dict() can be read")
	}
	for i, k := range d.keys {
		name, ok := k.(string)
		t, isTensor := d.values[i].(*tensorValue)
		if !ok || !isTensor || !t.of.kind.real() {
			continue
		}
		b, err := storage(t.of.key)
		if err != nil {
			return err
		}
		from := t.offset * t.of.kind.size()
		if from > len(b) {
			return formatf("%q begins at element %d of %d", name, t.offset, len(b)/t.of.kind.size())
		}
		if err := s.add(name, stored{t.of.kind, t.dims, t.strides, b[from:]}); err != nil {
			return err
		}
	}
	return nil
}

// own counts the tensors that a dict itself holds.
func own(d *dict) (n int) {
	for _, v := range d.values {
		if _, ok := v.(*tensorValue); ok {
			n++
		}
	}
	return n
}
