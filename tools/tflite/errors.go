package tflite

import (
	"fmt"
	"strconv"
	"strings"
)

// Unsupported is one operator that cannot be imported.
type Unsupported struct {
	Index  int    // its place in the file
	Op     string // like "CONV_2D"
	Output string // the name of its first output
	Why    string
	Hint   string // what could be done about it; may be empty
}

// UnsupportedError lists every operator of a network that cannot be imported.
type UnsupportedError struct{ Ops []Unsupported }

// Error is one line.
func (e *UnsupportedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tflite: %d operators cannot be imported", len(e.Ops))
	if len(e.Ops) == 1 {
		b.Reset()
		b.WriteString("tflite: 1 operator cannot be imported")
	}
	for i, u := range e.Ops {
		fmt.Fprintf(&b, "%c operator %d %s %q: %s", ":;"[min(i, 1)], u.Index, u.Op, u.Output, u.Why)
		if u.Hint != "" {
			fmt.Fprintf(&b, " (%s)", u.Hint)
		}
	}
	return b.String()
}

// refusal says why one operator is not supported.
type refusal struct{ why, hint string }

func (r *refusal) Error() string { return r.why }

// errSpoiled marks an operator that reads the result of a refused one; only
// the first is worth telling.
var errSpoiled = &refusal{why: "reads a value that could not be imported"}

func refuse(hint, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), hint}
}

func quoted(s string) string { return strconv.Quote(s) }

// hintFor is what to do about an operator that is not known at all.
func hintFor(c opcode) string {
	switch n := c.name(); {
	case c.code == opCustom && strings.HasPrefix(c.custom, "Flex"):
		return "convert without SELECT_TF_OPS"
	case c.code == opCustom:
		return "cut the network before it and do this step in the program"
	case strings.Contains(n, "LSTM"), strings.Contains(n, "RNN"), n == "SVDF", n == "WHILE", n == "IF", n == "CALL_ONCE":
		return "recurrent networks and control flow are not supported"
	case strings.HasPrefix(n, "HASHTABLE"), strings.HasSuffix(n, "VARIABLE"), n == "VAR_HANDLE":
		return "freeze the model before converting it"
	}
	return ""
}
