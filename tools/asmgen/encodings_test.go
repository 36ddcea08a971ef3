package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var wordLine = regexp.MustCompile(`WORD \$0x([0-9a-f]{8}) // (.*)`)

// TestEncodings asks LLVM's assembler for every instruction that is written as a number, where there is one.
func TestEncodings(t *testing.T) {
	mc, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("no llvm-mc (Debian: llvm)")
	}
	want := map[string]string{} // instruction, number
	for _, f := range files {
		if !strings.HasSuffix(f.name, "_arm64.s") {
			continue
		}
		text, err := f.generate()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range wordLine.FindAllSubmatch(text, -1) {
			if old, ok := want[string(m[2])]; ok && old != string(m[1]) {
				t.Errorf("%s: %s is both %s and %s", f.name, m[2], old, m[1])
			}
			want[string(m[2])] = string(m[1])
		}
	}
	var in bytes.Buffer
	var order []string
	for text := range want {
		order = append(order, text)
		fmt.Fprintln(&in, text)
	}
	cmd := exec.Command(mc, "-triple=aarch64", "-mattr=+dotprod", "-show-encoding")
	cmd.Stdin = &in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := regexp.MustCompile(`encoding: \[0x(..),0x(..),0x(..),0x(..)\]`).FindAllSubmatch(out, -1)
	if len(got) != len(order) || len(got) == 0 {
		t.Fatalf("%d encodings of %d instructions", len(got), len(order))
	}
	for i, m := range got {
		if number := string(m[4]) + string(m[3]) + string(m[2]) + string(m[1]); number != want[order[i]] {
			t.Errorf("%s is %s, not %s", order[i], number, want[order[i]])
		}
	}
	t.Logf("%d instructions", len(got))
}
