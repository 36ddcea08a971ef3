package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FormatError says where a file stopped being a FlatBuffer of the TFLite
// schema.
type FormatError struct {
	Offset int    // byte position in the file
	What   string // what was being read there
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("tflite: malformed file at byte %d: %s", e.Offset, e.What)
}

// buffer is a FlatBuffer being read. Its first error sticks: what is read
// after it is zero or empty, so that a decoder checks once at its end.
//
// A FlatBuffer may point at the same bytes from many places, so a small file
// can unfold to a large one. Everything copied out of it is therefore paid for
// from a budget that is a small multiple of the file's size.
type buffer struct {
	b      []byte
	budget int
	err    error
}

func newBuffer(b []byte) *buffer { return &buffer{b: b, budget: 8*len(b) + 1<<16} }

func (f *buffer) fail(at int, format string, args ...any) {
	if f.err == nil {
		f.err = &FormatError{at, fmt.Sprintf(format, args...)}
	}
}

// spend takes n bytes from the budget.
func (f *buffer) spend(at, n int) bool {
	if f.err != nil {
		return false
	}
	if n > f.budget {
		f.fail(at, "the same bytes are used over and over")
		return false
	}
	f.budget -= n
	return true
}

// has reports whether n bytes are there at position at.
func (f *buffer) has(at, n int) bool { return at >= 0 && n >= 0 && at <= len(f.b)-n }

func (f *buffer) u16(at int) int {
	if !f.has(at, 2) {
		f.fail(at, "2 bytes beyond the end")
		return 0
	}
	return int(binary.LittleEndian.Uint16(f.b[at:]))
}

func (f *buffer) u32(at int) uint32 {
	if !f.has(at, 4) {
		f.fail(at, "4 bytes beyond the end")
		return 0
	}
	return binary.LittleEndian.Uint32(f.b[at:])
}

// indirect follows the unsigned offset stored at position at.
func (f *buffer) indirect(at int) int {
	off := f.u32(at)
	if f.err != nil {
		return 0
	}
	if off == 0 || int64(at)+int64(off) > int64(len(f.b)) {
		f.fail(at, "offset %d leads out of the file", off)
		return 0
	}
	return at + int(off)
}

// table is a FlatBuffers table: fields found through a vtable, any of which
// may be absent. The zero table has no fields.
type table struct {
	f             *buffer
	at, size      int // the table's bytes
	vtable, vsize int
}

// root is the table that the file starts with, after checking the file
// identifier.
func (f *buffer) root(identifier string) table {
	if len(f.b) < 8 || string(f.b[4:8]) != identifier {
		f.fail(4, "no file identifier %q", identifier)
		return table{}
	}
	return f.tableAt(f.indirect(0))
}

func (f *buffer) tableAt(at int) table {
	if f.err != nil || !f.spend(at, 16) {
		return table{}
	}
	vt := int64(at) - int64(int32(f.u32(at)))
	if f.err != nil {
		return table{}
	}
	if vt < 0 || vt > int64(len(f.b)) || !f.has(int(vt), 4) {
		f.fail(at, "vtable at %d is outside the file", vt)
		return table{}
	}
	t := table{f, at, f.u16(int(vt) + 2), int(vt), f.u16(int(vt))}
	if t.vsize < 4 || t.vsize%2 != 0 || !f.has(t.vtable, t.vsize) {
		f.fail(t.vtable, "vtable of %d bytes", t.vsize)
		return table{}
	}
	if t.size < 4 || !f.has(at, t.size) {
		f.fail(at, "table of %d bytes", t.size)
		return table{}
	}
	return t
}

// present reports whether the table is there at all.
func (t table) present() bool { return t.f != nil }

// field is the position of a field's n bytes, 0 when it is absent.
func (t table) field(id, n int) int {
	if t.f == nil || t.f.err != nil || 4+2*id+2 > t.vsize {
		return 0
	}
	off := t.f.u16(t.vtable + 4 + 2*id)
	if off == 0 {
		return 0
	}
	if off < 4 || off+n > t.size {
		t.f.fail(t.at, "field %d at %d of a table of %d bytes", id, off, t.size)
		return 0
	}
	return t.at + off
}

func (t table) byte(id int) int {
	if at := t.field(id, 1); at != 0 {
		return int(int8(t.f.b[at]))
	}
	return 0
}

func (t table) bool(id int) bool { return t.byte(id) != 0 }

func (t table) int(id, def int) int {
	if at := t.field(id, 4); at != 0 {
		return int(int32(t.f.u32(at)))
	}
	return def
}

func (t table) uint(id int) uint32 {
	if at := t.field(id, 4); at != 0 {
		return t.f.u32(at)
	}
	return 0
}

func (t table) uint64(id int) uint64 {
	if at := t.field(id, 8); at != 0 {
		return binary.LittleEndian.Uint64(t.f.b[at:])
	}
	return 0
}

func (t table) float(id int) float32 {
	if at := t.field(id, 4); at != 0 {
		return math.Float32frombits(t.f.u32(at))
	}
	return 0
}

// table is a field that points to another table.
func (t table) table(id int) table {
	at := t.field(id, 4)
	if at == 0 {
		return table{}
	}
	return t.f.tableAt(t.f.indirect(at))
}

// vector is a field that points to n elements of one size.
type vector struct {
	f     *buffer
	at, n int
	size  int
}

func (t table) vector(id, size int) vector {
	at := t.field(id, 4)
	if at == 0 {
		return vector{}
	}
	at = t.f.indirect(at)
	n := t.f.u32(at)
	if t.f.err != nil {
		return vector{}
	}
	if int64(n)*int64(size) > int64(len(t.f.b)-at-4) {
		t.f.fail(at, "vector of %d elements beyond the end", n)
		return vector{}
	}
	return vector{t.f, at + 4, int(n), size}
}

func (t table) string(id int) string {
	v := t.vector(id, 1)
	if v.n == 0 || !v.f.spend(v.at, v.n) {
		return ""
	}
	return string(v.f.b[v.at : v.at+v.n])
}

// bytes is a vector of bytes, a view of the file.
func (t table) bytes(id int) []byte {
	v := t.vector(id, 1)
	if v.n == 0 {
		return nil
	}
	return v.f.b[v.at : v.at+v.n : v.at+v.n]
}

// ints is a vector of int32.
func (t table) ints(id int) []int {
	v := t.vector(id, 4)
	if v.n == 0 || !v.f.spend(v.at, 8*v.n) {
		return nil
	}
	out := make([]int, v.n)
	for i := range out {
		out[i] = int(int32(v.f.u32(v.at + 4*i)))
	}
	return out
}

// longs is a vector of int64.
func (t table) longs(id int) []int64 {
	v := t.vector(id, 8)
	if v.n == 0 || !v.f.spend(v.at, 8*v.n) {
		return nil
	}
	out := make([]int64, v.n)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(v.f.b[v.at+8*i:]))
	}
	return out
}

// floats is a vector of float32.
func (t table) floats(id int) []float32 {
	v := t.vector(id, 4)
	if v.n == 0 || !v.f.spend(v.at, 4*v.n) {
		return nil
	}
	out := make([]float32, v.n)
	for i := range out {
		out[i] = math.Float32frombits(v.f.u32(v.at + 4*i))
	}
	return out
}

// tables is a vector of tables.
func (t table) tables(id int) []table {
	v := t.vector(id, 4)
	if v.n == 0 || !v.f.spend(v.at, 40*v.n) {
		return nil
	}
	out := make([]table, v.n)
	for i := range out {
		out[i] = v.f.tableAt(v.f.indirect(v.at + 4*i))
		if v.f.err != nil {
			return nil
		}
	}
	return out
}
