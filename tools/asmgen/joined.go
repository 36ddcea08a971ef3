package main

import (
	"bytes"
	"strings"
)

// width is where a line of several instructions ends.
const width = 118

// joined puts several instructions on a line. A program holds, for each place where the line changes, two bytes: with a
// line for every instruction that is a quarter of a kernel's size. Labels begin a line, jumps end one, and what names an
// argument or the frame stays alone, for go vet to check.
func joined(text []byte) []byte {
	var out bytes.Buffer
	line := "" // instructions not yet written
	flush := func() {
		if line != "" {
			out.WriteString("\t" + line + "\n")
			line = ""
		}
	}
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSuffix(l, "\n")
		f := strings.Fields(l)
		if !strings.HasPrefix(l, "\t") || strings.Contains(l, "//") || strings.Contains(l, "(FP)") || strings.Contains(l, "(SP)") {
			flush()
			out.WriteString(l + "\n")
			continue
		}
		l = strings.Join(f, " ")
		if len(line)+len("; ")+len(l) > width {
			flush()
		}
		if line != "" {
			line += "; "
		}
		line += l
		if f[0][0] == 'J' {
			flush()
		}
	}
	flush()
	return out.Bytes()
}
