package unzstd

// short is how many bytes are copied where it is known that no more are wanted
// and that those after them are still free, which is faster than a call.
const short = 16

// maxBlock is the most bytes a block holds or stands for.
const maxBlock = 128 << 10

// frame is the state of decoding one. Nothing in it depends on sizes that the
// bytes state, and none of it is on the heap.
type frame struct {
	dst  []byte // the content; dst[:at] is known
	at   int
	last [3]uint32 // offsets used last
	huff huffman
	fse  [3]fseTable // of literals' lengths, offsets, matches' lengths
}

// compressed decodes a compressed block: literals, then the sequences of
// literals and matches that its content is (RFC 8878, 3.1.1.3).
func (f *frame) compressed(b []byte) bool {
	start := f.at
	lit, b, ok := f.literals(b)
	return ok && f.sequences(lit, b) && f.at-start <= maxBlock
}

// literals returns a block's literals and the bytes after them. Literals that
// are not stored as they are decoded to the end of dst: whatever is copied to
// dst[at:] until they are used leaves room for them, or is more than dst holds.
func (f *frame) literals(b []byte) (lit, rest []byte, ok bool) {
	if len(b) == 0 {
		return
	}
	var v uint64
	for i := min(5, len(b)) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	kind, format := v&3, int(v>>2&3)
	n, size, stored := 0, 0, 0
	if kind < 2 {
		short := 3 + format&1
		n = 1 + format&1*(1+format>>1)
		size = int(v >> short & (1<<(8*n-short) - 1))
		if stored = size; kind == 1 {
			stored = 1
		}
	} else {
		n = 3 + max(0, format-1)
		w := 4*n - 2
		size, stored = int(v>>4&(1<<w-1)), int(v>>(4+w)&(1<<w-1))
	}
	if size > maxBlock || size > len(f.dst)-f.at || n+stored > len(b) {
		return
	}
	b, rest = b[n:n+stored], b[n+stored:]
	if kind == 0 {
		return b, rest, true
	}
	lit = f.dst[len(f.dst)-size:]
	if len(rest) > 0 && rest[0] == 0 { // no sequences: they need not move again
		lit = f.dst[f.at : f.at+size]
	}
	switch kind {
	case 1:
		for i := range lit {
			lit[i] = b[0]
		}
		return lit, rest, true
	case 2:
		n := f.huff.read(b)
		if n == 0 {
			return
		}
		b = b[n:]
	case 3:
		if !f.huff.ok {
			return
		}
	}
	if format > 0 {
		return lit, rest, f.huff.streams(lit, b)
	}
	at, ok := last(b)
	return lit, rest, ok && f.huff.stream(lit, b, at) == 0
}

// sequences appends what b says of literals and matches to the content.
func (f *frame) sequences(lit, b []byte) bool {
	if len(b) == 0 {
		return false
	}
	n, b := int(b[0]), b[1:]
	switch {
	case n == 255:
		if len(b) < 2 {
			return false
		}
		n, b = int(b[0])+int(b[1])<<8+0x7f00, b[2:]
	case n >= 128:
		if len(b) < 1 {
			return false
		}
		n, b = (n-128)<<8+int(b[0]), b[1:]
	}
	if n > 0 {
		if b = f.tables(b); b == nil {
			return false
		}
		if lit = f.run(n, lit, b); lit == nil {
			return false
		}
	} else if len(b) > 0 {
		return false
	}
	f.at += copy(f.dst[f.at:], lit)
	return true
}

// tables makes the three tables ready and returns the bytes after their
// descriptions; nil: they are wrong.
func (f *frame) tables(b []byte) []byte {
	if len(b) == 0 || b[0]&3 != 0 {
		return nil
	}
	modes, b := b[0], b[1:]
	for i, a := range [3]*alphabet{&literalLengths, &offsets, &matchLengths} {
		t, n := &f.fse[i], 0
		switch modes >> (6 - 2*i) & 3 {
		case 0:
			t.predefined(a)
		case 1:
			if len(b) == 0 || !t.single(b[0], a) {
				return nil
			}
			n = 1
		case 2:
			if n = t.read(b, a); n == 0 {
				return nil
			}
		case 3:
			if !t.ok {
				return nil
			}
		}
		b = b[n:]
	}
	return b
}

// run carries out n sequences coded in b and returns the literals after the last
// of them; nil: b is wrong.
func (f *frame) run(n int, lit, b []byte) []byte {
	at, ok := last(b)
	if !ok {
		return nil
	}
	tl, to, tm := &f.fse[0], &f.fse[1], &f.fse[2]
	v := top(b, at)
	sl, v := high(v, tl.log), v<<tl.log
	so, v := high(v, to.log), v<<to.log
	sm := high(v, tm.log)
	at -= int(tl.log + to.log + tm.log)
	dst, pos := f.dst, f.at
	for {
		// At most 31+16 bits, then 16+9+9+8.
		l, o, m := &tl.entry[sl&511], &to.entry[so&511], &tm.entry[sm&511]
		v := top(b, at)
		offset, v := o.base+high(v, o.extra), v<<(o.extra&63)
		match := int(m.base + high(v, m.extra))
		at -= int(o.extra + m.extra)
		v = top(b, at)
		run, v := int(l.base+high(v, l.extra)), v<<(l.extra&63)
		at -= int(l.extra)

		if run > len(lit) {
			return nil
		}
		if run <= short && len(lit) >= short && len(dst)-len(lit)-pos >= short {
			*(*[short]byte)(dst[pos:]) = *(*[short]byte)(lit)
			pos += run
		} else {
			pos += copy(dst[pos:], lit[:run])
		}
		lit = lit[run:]

		// 1 to 3 name the offsets used last, of which the first makes no sense
		// after a match without literals between.
		if offset > 3 {
			offset -= 3
			f.last = [3]uint32{offset, f.last[0], f.last[1]}
		} else {
			if run == 0 {
				offset++
			}
			switch offset {
			case 1:
				offset = f.last[0]
			case 2:
				offset = f.last[1]
				f.last = [3]uint32{offset, f.last[0], f.last[2]}
			default:
				if offset == 3 {
					offset = f.last[2]
				} else {
					offset = f.last[0] - 1
				}
				f.last = [3]uint32{offset, f.last[0], f.last[1]}
			}
		}
		room := len(dst) - len(lit) - pos
		if offset == 0 || uint64(offset) > uint64(pos) || match > room {
			return nil
		}
		from, end := pos-int(offset), pos+match
		if offset >= short && room >= short {
			*(*[short]byte)(dst[pos:]) = *(*[short]byte)(dst[from:])
			from, pos = from+short, pos+short
		}
		// A match may reach into itself: what repeats doubles with each copy.
		for pos < end {
			pos += copy(dst[pos:end], dst[from:pos])
		}
		pos = end

		if n--; n == 0 {
			break
		}
		sl, v = uint32(l.next)+high(v, l.bits), v<<(l.bits&63)
		sm, v = uint32(m.next)+high(v, m.bits), v<<(m.bits&63)
		so = uint32(o.next) + high(v, o.bits)
		at -= int(l.bits + m.bits + o.bits)
	}
	if f.at = pos; at != 0 {
		return nil
	}
	return lit
}
