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
	cmd := exec.Command(mc, "-triple=aarch64", "-mattr=+dotprod,+i8mm", "-show-encoding")
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

// TestDotBytes asks it for the instruction that no Go assembler writes.
func TestDotBytes(t *testing.T) {
	mc, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("no llvm-mc (Debian: llvm)")
	}
	var in, want bytes.Buffer
	for r := range 16 {
		weights, from, sum := r, (r+5)%16, (r*7+3)%16
		fmt.Fprintf(&in, "{vex} vpdpbusd %%ymm%d, %%ymm%d, %%ymm%d\n", weights, from, sum)
		e := dotBytes(weights, from, sum)
		fmt.Fprintf(&want, "%x\n", e[:])
	}
	cmd := exec.Command(mc, "-triple=x86_64", "-mattr=+avxvnni", "-show-encoding")
	cmd.Stdin = &in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got bytes.Buffer
	for _, m := range regexp.MustCompile(`encoding: \[([0-9a-fx,]+)\]`).FindAllSubmatch(out, -1) {
		got.WriteString(strings.NewReplacer("0x", "", ",", "").Replace(string(m[1])) + "\n")
	}
	if got.String() != want.String() {
		t.Errorf("dotBytes\n%sLLVM\n%s", want.String(), got.String())
	}
}
