package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/teff-ml/teff/ops/switches"
)

// versionResult says which program this is, and on what.
type versionResult struct {
	Version  string `json:"version"`            // of the module; "(devel)" for a build that has none
	Revision string `json:"revision,omitempty"` // of the sources, where the build knows it
	Modified bool   `json:"modified"`           // files differ from that revision
	Time     string `json:"time,omitempty"`     // of that revision
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernels  string `json:"kernels"`      // that this processor takes for float32
	Integers string `json:"int8_kernels"` // and for int8
}

func runVersion(_ context.Context, c *cli, args []string) error {
	f := newFlags(c, "version", "")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	r := newVersion(info)
	if f.json {
		return printJSON(c.out, r)
	}
	source := ""
	if r.Revision != "" {
		source = ", revision " + r.Revision
		if r.Modified {
			source += " and changes"
		}
	}
	fmt.Fprintf(c.out, "teff %s%s\n%s %s/%s, kernels %s, for int8 %s\n", r.Version, source, r.Go, r.OS, r.Arch, r.Kernels, r.Integers)
	return nil
}

func newVersion(info *debug.BuildInfo) versionResult {
	r := versionResult{
		Version: info.Main.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Kernels:  taken("gemm", "avx512", "avx2", "neon"),
		Integers: taken("gemmi8", "vnni", "avxvnni", "avx2", "mmla", "sdot", "neon"),
	}
	if r.Version == "" {
		r.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Revision = s.Value
		case "vcs.modified":
			r.Modified = s.Value == "true"
		case "vcs.time":
			r.Time = s.Value
		}
	}
	return r
}

// taken is the first of a family's switches that is on: they are named from the fastest down.
func taken(family string, isas ...string) string {
	for _, isa := range isas {
		if switches.Enabled(family + "/" + isa) {
			return isa
		}
	}
	return "generic"
}
