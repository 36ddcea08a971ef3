package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/switches"
)

// TestVersion: what a build says of itself, in words and in JSON, and which kernels it takes.
func TestVersion(t *testing.T) {
	text := ok(t, "version")
	require.Equal(t, text, ok(t, "--version"))
	require.Contains(t, text, runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)
	m := object(t, "version modified go os arch kernels int8_kernels", "version")
	require.Equal(t, m, object(t, "", "--version"))
	require.NotEmpty(t, m["version"])
	require.Contains(t, text, "kernels "+m["kernels"].(string)+", for int8 "+m["int8_kernels"].(string)+"\n")
	misused(t, "has 1 arguments", "version", "now")

	r := newVersion(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abcdef"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
	}})
	require.Equal(t, versionResult{"v1.2.3", "abcdef", true, "2026-01-02T03:04:05Z", runtime.Version(), runtime.GOOS, runtime.GOARCH, r.Kernels, r.Integers}, r)
	require.Equal(t, "(devel)", newVersion(&debug.BuildInfo{}).Version)
}

// TestVersionKernels: a path switched off is not the one that is named, and all of them leave plain Go.
func TestVersionKernels(t *testing.T) {
	for _, name := range switches.Names() {
		defer switches.Set(name, false)()
	}
	r := newVersion(&debug.BuildInfo{})
	require.Equal(t, "generic", r.Kernels)
	require.Equal(t, "generic", r.Integers)
	for _, name := range switches.Names() {
		if family := name[:min(5, len(name))]; family == "gemm/" {
			restore := switches.Set(name, true)
			require.Equal(t, name[5:], newVersion(&debug.BuildInfo{}).Kernels)
			restore()
		}
	}
}
