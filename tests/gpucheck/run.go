package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is what was found.
type Report struct {
	Device   string          `json:"device"`   // as nvidia-smi has it; "" without one
	Emulator bool            `json:"emulator"` // TEFF_LIBCUDA named another driver
	Date     string          `json:"date"`
	Seconds  float64         `json:"seconds"`
	Stages   []Result        `json:"stages"`
	Bench    json.RawMessage `json:"bench,omitempty"` // gpubench's own report
}

// Result is one stage's.
type Result struct {
	Name    string             `json:"name"`
	What    string             `json:"what"`
	Status  string             `json:"status"` // passed, failed, skipped, or out of time
	Why     string             `json:"why,omitempty"`
	Seconds float64            `json:"seconds"`
	Tests   int                `json:"tests,omitempty"`
	Facts   map[string]float64 `json:"facts,omitempty"` // how far off, by what
	Said    string             `json:"said,omitempty"`
	bench   json.RawMessage
}

// Failed says that a stage failed or had too little time.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Stages, func(s Result) bool { return s.Status == failed || s.Status == late })
}

const passed, failed, skipped, late = "passed", "failed", "skipped", "out of time"

// check runs the stages named, in their order, as long as there is time.
func check(all []stage, limit time.Duration, only string) (*Report, error) {
	begin := time.Now()
	r := &Report{Date: begin.UTC().Format("2006-01-02 15:04 UTC"), Emulator: os.Getenv("TEFF_LIBCUDA") != ""}
	names := strings.Split(only, ",")
	for _, n := range names {
		if only != "" && !slices.ContainsFunc(all, func(s stage) bool { return s.Name == n }) {
			return nil, fmt.Errorf("no stage %q", n)
		}
	}
	for _, s := range all {
		if only != "" && !slices.Contains(names, s.Name) {
			continue
		}
		res := s.run(limit - time.Since(begin))
		fmt.Fprintf(os.Stderr, "%-18s %-12s %6.1f s  %s\n", res.Name, res.Status, res.Seconds, res.Why)
		if res.Name == "device" && res.Status == passed {
			r.Device = res.Said
		}
		if res.bench != nil && res.Status == passed {
			r.Bench = res.bench
		}
		r.Stages = append(r.Stages, res)
	}
	r.Seconds = time.Since(begin).Seconds()
	return r, nil
}

// run is a stage within its own limit and what is left of everybody's.
func (s *stage) run(left time.Duration) Result {
	r := Result{Name: s.Name, What: s.What, Facts: map[string]float64{}}
	path, err := exec.LookPath(s.args[0])
	if err != nil {
		r.Status, r.Why = skipped, "no "+s.args[0]
		return r
	}
	if left < time.Second {
		r.Status, r.Why = late, "not begun"
		return r
	}
	ctx, stop := context.WithTimeout(context.Background(), min(s.limit, left))
	defer stop()
	cmd := exec.CommandContext(ctx, path, s.args[1:]...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	cmd.WaitDelay = 5 * time.Second // for what a killed program had started
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err = cmd.Run()
	r.Seconds = time.Since(begin).Seconds()
	switch {
	case ctx.Err() != nil:
		r.Status, r.Why = late, fmt.Sprintf("stopped after %.0f s", r.Seconds)
	case err != nil:
		r.Status, r.Why = failed, lastLine(errs.String())
		if r.Why == "" {
			r.Why = err.Error()
		}
	default:
		r.Status = passed
	}
	s.read(&r, out.String())
	return r
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// readLine keeps the first line that a program said, readLast the last.
func readLine(r *Result, out string) { r.Said, _, _ = strings.Cut(strings.TrimSpace(out), "\n") }
func readLast(r *Result, out string) { r.Said = lastLine(out) }

func readBench(r *Result, out string) {
	var b struct{ Device, Skipped string }
	if err := json.Unmarshal([]byte(out), &b); err != nil {
		if r.Status == passed {
			r.Status, r.Why = failed, "its report: "+err.Error()
		}
		return
	}
	if b.Skipped != "" {
		r.Status, r.Why = skipped, b.Skipped
	}
	r.Said, r.bench = b.Device, json.RawMessage(out)
}

var (
	now   = regexp.MustCompile(`^=== (?:RUN|NAME|CONT)\s+(.+)$`)
	ended = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (.+) \(`)
	far   = regexp.MustCompile(`(?:error|differ by at most) ([0-9.]+e[+-][0-9]+)(?: of the largest output, ([0-9.]+e[+-][0-9]+) with)?`)
	wrong = regexp.MustCompile(`(?i)error:\s+(.+)|========= (ERROR SUMMARY: [1-9].*)`)
)

// readTest reads what a test program with -test.v says: how many tests, which failed
// and why, and how far off numbers were, the worst of each.
func readTest(r *Result, out string) {
	name, skips := "", 0
	var broken []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if m := now.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if m := ended.FindStringSubmatch(line); m != nil {
			r.Tests++
			switch m[1] {
			case "FAIL":
				broken = append(broken, m[2])
			case "SKIP":
				skips++
			}
		} else if m := far.FindStringSubmatch(line); m != nil {
			for i, key := range []string{name, name + ", other inputs"} {
				if v, err := strconv.ParseFloat(m[i+1], 64); err == nil {
					r.Facts[key] = max(r.Facts[key], v)
				}
			}
		} else if m := wrong.FindStringSubmatch(line); m != nil && r.Said == "" {
			r.Said = strings.TrimSpace(m[1] + m[2])
		}
	}
	switch {
	case len(broken) > 0:
		r.Why = strings.Join(broken[:min(4, len(broken))], ", ")
		if len(broken) > 4 {
			r.Why += fmt.Sprintf(" and %d more", len(broken)-4)
		}
	case r.Status == passed && r.Tests == skips:
		r.Status, r.Why = skipped, "its tests had a reason"
	}
}
