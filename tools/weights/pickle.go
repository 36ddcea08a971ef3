package weights

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The opcodes of pickles that torch.save writes (protocols 2 to 5; their meanings are
// those of Python's pickletools).
const (
	opMark, opStop, opPop, opPopMark          = '(', '.', '0', '1'
	opNone, opTrue, opFalse                   = 'N', 0x88, 0x89
	opInt4, opInt1, opInt2, opLong1, opFloat  = 'J', 'K', 'M', 0x8a, 'G'
	opText4, opText1, opText8                 = 'X', 0x8c, 0x8d
	opBytes4, opBytes1, opString4, opString1  = 'B', 'C', 'T', 'U'
	opGlobal, opStackGlobal, opPersistent     = 'c', 0x93, 'Q'
	opReduce, opBuild, opNew                  = 'R', 'b', 0x81
	opTuple, opTuple0, opTuple1               = 't', ')', 0x85 // 0x86 and 0x87 are of two and three
	opTuple2, opTuple3                        = 0x86, 0x87
	opList, opAppend, opAppends               = ']', 'a', 'e'
	opDict, opSetItem, opSetItems             = '}', 's', 'u'
	opPut1, opPut4, opGet1, opGet4, opMemoize = 'q', 'r', 'h', 'j', 0x94
	opProto, opFrame                          = 0x80, 0x95
)

// What a pickle's values are here: nil, bool, int64, float64, string, tuple, *list,
// *dict, global, reference, *tensorValue, and opaque for all that is of no interest.
type (
	tuple  []any
	list   struct{ items []any }
	dict   struct{ keys, values []any }
	global string // a name of Python's, "module.name"
	mark   struct{}
	opaque struct{}
	// reference stands for data outside of the pickle: a storage of elements.
	reference struct {
		kind kind
		key  string
	}
	// tensorValue is a view of a storage.
	tensorValue struct {
		of            reference
		offset        int
		dims, strides []int
	}
)

// storageKind is the type of elements that PyTorch calls so.
func storageKind(name global) kind {
	switch name {
	case "torch.DoubleStorage":
		return f64
	case "torch.FloatStorage":
		return f32
	case "torch.HalfStorage":
		return f16
	case "torch.BFloat16Storage":
		return bf16
	case "torch.LongStorage":
		return int64s
	case "torch.IntStorage":
		return int32s
	case "torch.ShortStorage":
		return int16s
	case "torch.CharStorage", "torch.ByteStorage", "torch.BoolStorage":
		return int8s
	}
	return unknown
}

// unpickler is Python's machine of a stack and a memo, which calls nothing.
type unpickler struct {
	b     []byte
	at    int
	stack []any
	memo  map[uint32]any
	seen  map[string]kind // storages by their keys
}

// errPickle is thrown, within this file, by everything that is wrong with a pickle.
type errPickle struct{ error }

func (u *unpickler) fail(format string, args ...any) {
	panic(errPickle{formatf("the pickle at byte %d: "+format, append([]any{u.at}, args...)...)})
}

// unpickle reads one pickle from the beginning of b, says where it ends and notes which
// storages it means.
func unpickle(b []byte, seen map[string]kind) (v any, n int, err error) {
	u := &unpickler{b: b, memo: map[uint32]any{}, seen: seen}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(errPickle)
			if !ok {
				panic(r)
			}
			err = e.error
		}
	}()
	for {
		op := u.take(1)[0]
		if op == opStop {
			return u.pop(), u.at, nil
		}
		u.do(op)
	}
}

func (u *unpickler) take(n int) []byte {
	if n < 0 || n > len(u.b)-u.at {
		u.fail("it ends within an operation")
	}
	u.at += n
	return u.b[u.at-n : u.at]
}

func (u *unpickler) uint(n int) int {
	var v uint64
	for i, c := range u.take(n) {
		v |= uint64(c) << (8 * i)
	}
	if v > math.MaxInt32 {
		u.fail("a length of %d", v)
	}
	return int(v)
}

func (u *unpickler) line() string {
	i := bytes.IndexByte(u.b[u.at:], '\n')
	if i < 0 {
		u.fail("a name without an end")
	}
	s := string(u.take(i))
	u.at++
	return s
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

func (u *unpickler) pop() any {
	if len(u.stack) == 0 {
		u.fail("it takes more than there is")
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v
}

// popMark is what lies above the topmost mark, which goes, too.
func (u *unpickler) popMark() tuple {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if _, ok := u.stack[i].(mark); ok {
			v := append(tuple(nil), u.stack[i+1:]...)
			u.stack = u.stack[:i]
			return v
		}
	}
	u.fail("no mark")
	return nil
}

func (u *unpickler) popN(n int) tuple {
	v := make(tuple, n)
	for i := n - 1; i >= 0; i-- {
		v[i] = u.pop()
	}
	return v
}

func (u *unpickler) top() any {
	v := u.pop()
	u.push(v)
	return v
}

func (u *unpickler) get(i int) {
	v, ok := u.memo[uint32(i)]
	if !ok {
		u.fail("nothing was noted as %d", i)
	}
	u.push(v)
}

func (u *unpickler) do(op byte) {
	switch op {
	case opProto:
		u.take(1)
	case opFrame:
		u.take(8)
	case opMark:
		u.push(mark{})
	case opPop:
		u.pop()
	case opPopMark:
		u.popMark()
	case opPut1:
		u.memo[uint32(u.uint(1))] = u.top()
	case opPut4:
		u.memo[uint32(u.uint(4))] = u.top()
	case opMemoize:
		u.memo[uint32(len(u.memo))] = u.top()
	case opGet1:
		u.get(u.uint(1))
	case opGet4:
		u.get(u.uint(4))
	case opReduce, opNew:
		args := u.pop()
		u.push(u.called(u.pop(), args))
	case opBuild: // attributes, which nothing here has
		u.pop()
	case opPersistent:
		u.push(u.reference(u.pop()))
	case opGlobal:
		module := u.line()
		u.push(global(module + "." + u.line()))
	case opStackGlobal:
		v := u.popN(2)
		module, ok1 := v[0].(string)
		name, ok2 := v[1].(string)
		if !ok1 || !ok2 {
			u.fail("a name that is no text")
		}
		u.push(global(module + "." + name))
	default:
		if !u.scalar(op) && !u.container(op) {
			u.fail("operation %#x", op)
		}
	}
}

func (u *unpickler) scalar(op byte) bool {
	switch op {
	case opNone:
		u.push(nil)
	case opTrue, opFalse:
		u.push(op == opTrue)
	case opInt1:
		u.push(int64(u.uint(1)))
	case opInt2:
		u.push(int64(u.uint(2)))
	case opInt4:
		u.push(int64(int32(binary.LittleEndian.Uint32(u.take(4)))))
	case opLong1:
		b := u.take(u.uint(1))
		if len(b) > 8 { // a number that only marks something
			u.push(opaque{})
			break
		}
		var v int64
		for i, c := range b {
			v |= int64(c) << (8 * i)
		}
		if n := len(b); n > 0 && n < 8 && b[n-1] >= 0x80 {
			v -= 1 << (8 * n)
		}
		u.push(v)
	case opFloat:
		u.push(math.Float64frombits(binary.BigEndian.Uint64(u.take(8))))
	case opText1, opBytes1, opString1:
		u.push(string(u.take(u.uint(1))))
	case opText4, opBytes4, opString4:
		u.push(string(u.take(u.uint(4))))
	case opText8:
		u.push(string(u.take(u.uint(8))))
	default:
		return false
	}
	return true
}

func (u *unpickler) container(op byte) bool {
	switch op {
	case opTuple:
		u.push(u.popMark())
	case opTuple0, opTuple1, opTuple2, opTuple3:
		n := 0
		if op != opTuple0 {
			n = int(op) - opTuple1 + 1
		}
		u.push(u.popN(n))
	case opList:
		u.push(&list{})
	case opDict:
		u.push(&dict{})
	case opAppend:
		u.extend(tuple{u.pop()})
	case opAppends:
		u.extend(u.popMark())
	case opSetItem:
		u.set(u.popN(2))
	case opSetItems:
		u.set(u.popMark())
	default:
		return false
	}
	return true
}

// extend appends to the list on top; other things that can be appended to are opaque.
func (u *unpickler) extend(items tuple) {
	if l, ok := u.top().(*list); ok {
		l.items = append(l.items, items...)
	}
}

// set adds keys and values to the dict on top.
func (u *unpickler) set(pairs tuple) {
	d, ok := u.top().(*dict)
	if len(pairs)%2 != 0 {
		u.fail("a key without a value")
	}
	for i := 0; ok && i < len(pairs); i += 2 {
		d.keys, d.values = append(d.keys, pairs[i]), append(d.values, pairs[i+1])
	}
}

// called is what a call gives that a pickle asks for, as far as it is known what it
// means; anything else is opaque.
func (u *unpickler) called(f, args any) any {
	a, _ := args.(tuple)
	switch f {
	case global("collections.OrderedDict"):
		return &dict{}
	case global("torch._utils._rebuild_parameter"):
		if len(a) > 0 {
			return a[0]
		}
	case global("torch._utils._rebuild_tensor_v2"), global("torch._utils._rebuild_tensor"):
		if len(a) < 4 {
			break
		}
		of, ok := a[0].(reference)
		offset, ok1 := a[1].(int64)
		if dims, strides := integers(a[2]), integers(a[3]); ok && ok1 && dims != nil && len(dims) == len(strides) && offset >= 0 && offset <= math.MaxInt32*64 {
			return &tensorValue{of, int(offset), dims, strides}
		}
		u.fail("a tensor of no storage")
	case global("torch.Size"):
		if len(a) > 0 {
			return a[0]
		}
	}
	return opaque{}
}

// integers are the elements of a tuple, nil where it is none of such.
func integers(v any) []int {
	t, ok := v.(tuple)
	if !ok {
		return nil
	}
	n := make([]int, len(t))
	for i := range t {
		x, ok := t[i].(int64)
		if !ok || x < 0 || x > math.MaxInt32 {
			return nil
		}
		n[i] = int(x)
	}
	return n
}

// reference is the storage that a persistent name means: ("storage", its type, key,
// where it was, elements).
func (u *unpickler) reference(v any) any {
	t, ok := v.(tuple)
	if !ok || len(t) < 3 || t[0] != "storage" {
		u.fail("data of its own that is no storage")
	}
	typ, ok1 := t[1].(global)
	key, ok2 := t[2].(string)
	k := storageKind(typ)
	if !ok1 || !ok2 || k == unknown {
		u.fail("a storage of %v", t[1])
	}
	u.seen[key] = k
	return reference{k, key}
}
