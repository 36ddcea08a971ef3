package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// write puts the report into a folder.
func (r *Report) write(dir string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/check.json", append(text, '\n'), 0o644), os.WriteFile(dir+"/check.md", []byte(r.table()), 0o644))
}

// table is the report for people; the README's table takes its last column from here.
func (r *Report) table() string {
	var b strings.Builder
	device := r.Device
	if r.Emulator {
		device = "the emulated driver, not a device: times mean nothing"
	}
	if device == "" {
		device = "no device"
	}
	fmt.Fprintf(&b, "# Checked on %s\n\n%s, %.0f s in all.\n\n| what | result | s | worst |\n|---|---|---|---|\n", device, r.Date, r.Seconds)
	for _, s := range r.Stages {
		result := s.Status
		if s.Tests > 0 {
			result += fmt.Sprintf(", %d tests", s.Tests)
		}
		if s.Why != "" {
			result += ": " + s.Why
		}
		if s.Said != "" {
			result += " (" + s.Said + ")"
		}
		worst := ""
		for key, v := range s.Facts {
			if v == slices.Max(slices.Collect(maps.Values(s.Facts))) {
				worst = fmt.Sprintf("%.1e, %s", v, key)
			}
		}
		fmt.Fprintf(&b, "| %s: %s | %s | %.1f | %s |\n", s.Name, s.What, strings.ReplaceAll(result, "|", "/"), s.Seconds, worst)
	}
	for _, s := range r.Stages {
		if len(s.Facts) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s: off by, of the largest\n\n", s.Name)
		for _, key := range slices.Sorted(maps.Keys(s.Facts)) {
			fmt.Fprintf(&b, "- %s: %.1e\n", key, s.Facts[key])
		}
	}
	return b.String() + r.times()
}

// times is the whole runs of gpubench's report.
func (r *Report) times() string {
	var bench struct {
		Results []struct {
			Network, Precision string
			Batch              int
			Median             float64 `json:"median_ms"`
			Images             float64 `json:"images_per_s"`
			Torch              float64 `json:"torch_median_ms"`
		}
	}
	if len(r.Bench) == 0 || json.Unmarshal(r.Bench, &bench) != nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n## Times\n\n| network | batch | precision | ms, median | images/s | PyTorch, ms | ratio |\n|---|---|---|---|---|---|---|\n")
	for _, n := range bench.Results {
		torch, ratio := "none", ""
		if n.Torch > 0 {
			torch, ratio = fmt.Sprintf("%.3f", n.Torch), fmt.Sprintf("%.2f", n.Median/n.Torch)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %.3f | %.0f | %s | %s |\n", n.Network, n.Batch, n.Precision, n.Median, n.Images, torch, ratio)
	}
	return b.String()
}
