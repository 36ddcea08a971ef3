package format

import (
	"encoding/binary"
	"math"

	"github.com/teff-ml/teff/ops"
)

// enc appends the graph section's primitives.
type enc struct {
	b     []byte
	spent int // what dec.spend will count
}

func (e *enc) uint(v uint64)   { e.b = binary.AppendUvarint(e.b, v) }
func (e *enc) int(v int)       { e.b = binary.AppendVarint(e.b, int64(v)) }
func (e *enc) float(v float32) { e.b = binary.LittleEndian.AppendUint32(e.b, math.Float32bits(v)) }
func (e *enc) string(s string) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }
func (e *enc) ints(v []int)    { e.spent += 8 * len(v); e.uint(uint64(len(v))); e.each(v) }
func (e *enc) floats(v []float32) {
	e.spent += 4 * len(v)
	e.uint(uint64(len(v)))
	for _, x := range v {
		e.float(x)
	}
}
func (e *enc) each(v []int) {
	for _, x := range v {
		e.int(x)
	}
}

// dec reads them. The first error sticks; then every read gives zero.
type dec struct {
	b       []byte
	at      int
	section string
	err     error
	spent   int // see spend
	limit   int // of spent; 0: none
	jobs    []job
	infos   []WeightInfo // of the tensors read
	keep    keeper       // see ParseCompact; or nil
}

// spend counts n bytes, n being small, against what the section may make us
// allocate.
//
//go:noinline
func (d *dec) spend(n int) {
	if d.spent += n; d.limit > 0 && d.spent > d.limit {
		d.fail("more parts than a network has")
	}
}

//go:noinline
func (d *dec) fail(msg string) {
	if d.err == nil {
		d.err = &FormatError{Section: d.section, Offset: d.at, Msg: msg}
	}
}

func (d *dec) left() int { return len(d.b) - d.at }

func (d *dec) uint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail("number is cut short or too long")
		return 0
	}
	d.at += n
	return v
}

func (d *dec) int() int {
	if d.err != nil {
		return 0
	}
	v, n := binary.Varint(d.b[d.at:])
	if n <= 0 || int64(int(v)) != v {
		d.fail("number is cut short or too long")
		return 0
	}
	d.at += n
	return int(v)
}

// count reads a length whose elements take at least size bytes each.
func (d *dec) count(size int) int {
	v := d.uint()
	if v > uint64(d.left()/size) {
		d.fail("count is larger than what follows")
		return 0
	}
	return int(v)
}

func (d *dec) bytes(n int) []byte {
	if d.err != nil || n > d.left() {
		d.fail("cut short")
		return nil
	}
	b := d.b[d.at : d.at+n]
	d.at += n
	return b
}

//go:noinline
func (d *dec) float() float32 {
	b := d.bytes(4)
	if b == nil {
		return 0
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b))
}

func (d *dec) string() string { return string(d.bytes(d.count(1))) }

func (d *dec) ints() []int {
	n := d.count(1)
	if d.spend(8 * n); n == 0 || d.err != nil {
		return nil
	}
	v := make([]int, n)
	for i := range v {
		v[i] = d.int()
	}
	return v
}

func (d *dec) floats() []float32 {
	n := d.count(4)
	if d.spend(4 * n); n == 0 || d.err != nil {
		return nil
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = d.float()
	}
	return v
}

// An operator's attributes are stored as: number of those that are not zero,
// then for each its place in the operator's list and its value. A reader that
// meets a place it does not know cannot know the operator either.

// fieldWriter collects them.
type fieldWriter struct {
	e     enc
	place int
	n     int
}

func (w *fieldWriter) field(zero bool) bool {
	w.place++
	if zero {
		return false
	}
	w.n++
	w.e.uint(uint64(w.place - 1))
	return true
}

func (w *fieldWriter) Bool(_ string, p *bool) { w.field(!*p) }
func (w *fieldWriter) Int(_ string, p *int) {
	if w.field(*p == 0) {
		w.e.int(*p)
	}
}
func (w *fieldWriter) Float(_ string, p *float32) {
	if w.field(math.Float32bits(*p) == 0) {
		w.e.float(*p)
	}
}
func (w *fieldWriter) String(_ string, p *string) {
	if w.field(*p == "") {
		w.e.string(*p)
	}
}
func (w *fieldWriter) Ints(_ string, p *[]int) {
	if w.field(len(*p) == 0) {
		w.e.ints(*p)
	}
}
func (w *fieldWriter) Floats(_ string, p *[]float32) {
	if w.field(len(*p) == 0) {
		w.e.floats(*p)
	}
}

func (e *enc) fields(op ops.Op) {
	var w fieldWriter
	op.Fields(&w)
	e.uint(uint64(w.n))
	e.b = append(e.b, w.e.b...)
}

// fieldReader sets them.
type fieldReader struct {
	d     *dec
	place int
	left  int
	next  int // place of the next stored attribute, -1 when none is left
}

func (r *fieldReader) advance() {
	r.next = -1
	if r.left > 0 && r.d.err == nil {
		r.left--
		r.next = int(min(r.d.uint(), 1<<20))
	}
}

//go:noinline
func (r *fieldReader) field() bool {
	r.place++
	return r.next == r.place-1 && r.d.err == nil
}

func (r *fieldReader) Bool(_ string, p *bool) {
	if r.field() {
		*p = true
		r.advance()
	}
}
func (r *fieldReader) Int(_ string, p *int) {
	if r.field() {
		*p = r.d.int()
		r.advance()
	}
}
func (r *fieldReader) Float(_ string, p *float32) {
	if r.field() {
		*p = r.d.float()
		r.advance()
	}
}
func (r *fieldReader) String(_ string, p *string) {
	if r.field() {
		*p = r.d.string()
		r.advance()
	}
}
func (r *fieldReader) Ints(_ string, p *[]int) {
	if r.field() {
		*p = r.d.ints()
		r.advance()
	}
}
func (r *fieldReader) Floats(_ string, p *[]float32) {
	if r.field() {
		*p = r.d.floats()
		r.advance()
	}
}

func (d *dec) fields(op ops.Op) {
	r := fieldReader{d: d, left: d.count(1)}
	r.advance()
	op.Fields(&r)
	if d.err == nil && (r.next >= 0 || r.left > 0) {
		d.fail("operator " + op.Kind().String() + " has an attribute this version does not know")
	}
}
