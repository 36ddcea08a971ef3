package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress is a line on a terminal's stderr; nothing where stderr is none.
type progress struct {
	w     io.Writer
	what  string
	total int
	start time.Time
	last  time.Time
}

func newProgress(c *cli, what string, total int, quiet bool) *progress {
	f, ok := c.err.(*os.File)
	if !ok || quiet {
		return nil
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &progress{w: f, what: what, total: total, start: time.Now()}
}

// set says how far things are.
func (p *progress) set(n int) { p.text(n, "") }

// text is set with a remark.
func (p *progress) text(n int, remark string) {
	if p == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	share := float64(n) / float64(max(1, p.total))
	left := ""
	if n > 0 {
		left = time.Duration(float64(time.Since(p.start)) * (1 - share) / share).Round(time.Second).String()
	}
	full := int(30 * share)
	fmt.Fprintf(p.w, "\r%s [%s%s] %d/%d %s left %s\x1b[K", p.what, strings.Repeat("#", full), strings.Repeat(".", 30-full), n, p.total, left, remark)
}

// done clears the line.
func (p *progress) done() {
	if p != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
