package tests

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/teff-ml/teff"

// floors are the storeys of the house, by the longest prefix of the package's
// path in the module: a package imports lower ones only, or those listed in
// beside.
var floors = map[string]int{
	"ops/switches": 0, "ops/tensor": 0, "quant": 0,
	"ops": 1, "ops/internal": 1,
	"ops/graph": 2,
	"format":    3, "accel": 3,
	"runtime": 4, "runtime/train": 4, "runtime/tune": 4, "quant/ptq": 4,
	"tools": 5, "tests": 5,
}

// beside orders packages of one floor: who may import whom.
var beside = map[string][]string{
	"ops":           {"ops/internal"},
	"ops/internal":  {"ops/internal"},
	"ops/graph":     {"ops/graph"},
	"accel":         {"accel"},
	"runtime/train": {"runtime", "runtime/train"},
	"runtime/tune":  {"runtime"},
	"quant/ptq":     {"runtime", "runtime/train", "quant/ptq"},
	"quant":         {"ops/switches", "ops/tensor"},
	"tools":         {"tools"},
	"tests":         {"tools", "tests"},
	"ops/switches":  nil,
	"ops/tensor":    nil,
	"format":        nil,
}

// external modules that programs using the library get.
var external = []string{"github.com/x448/float16", "golang.org/x/sys"}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	CgoFiles   []string
	Module     *struct{ Path string }
	Error      *struct{ Err string }
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Standard,Imports,CgoFiles,Module,Error"}, args...)...)
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var ps []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return ps
		} else {
			require.NoError(t, err)
		}
		ps = append(ps, p)
	}
}

// home is the longest entry of floors that holds a package of the module.
func home(path string) (string, bool) {
	rel, ok := strings.CutPrefix(path, module+"/")
	for ok && rel != "." {
		if _, is := floors[rel]; is {
			return rel, true
		}
		rel = filepath.ToSlash(filepath.Dir(rel))
	}
	return "", false
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// TestImportsPointDown: a floor knows nothing of those above it.
func TestImportsPointDown(t *testing.T) {
	seen := 0
	for _, p := range goList(t, "./...") {
		from, ok := home(p.ImportPath)
		require.True(t, ok, "package %s is on no floor", p.ImportPath)
		seen++
		for _, i := range p.Imports {
			if !within(i, module) {
				continue
			}
			to, ok := home(i)
			require.True(t, ok, "package %s is on no floor", i)
			if floors[to] < floors[from] {
				continue
			}
			allowed := from == to && within(i, p.ImportPath)
			for _, b := range beside[from] {
				allowed = allowed || to == b
			}
			require.True(t, allowed, "%s (floor %d) imports %s (floor %d)", p.ImportPath, floors[from], i, floors[to])
		}
	}
	require.Greater(t, seen, 5, "go list found hardly anything")
}

// TestLibraryDependencies: a program that uses the library gets these modules
// and no other, and none of it needs a C compiler.
func TestLibraryDependencies(t *testing.T) {
	cgo := map[string]bool{"runtime/cgo": true, "net": true, "os/user": true} // the standard library's own, with fallbacks
	for _, p := range goList(t, "-deps", "./runtime/...", "./format/...", "./ops/...", "./quant/...") {
		if p.Standard {
			require.True(t, len(p.CgoFiles) == 0 || cgo[p.ImportPath], "%s uses cgo", p.ImportPath)
			continue
		}
		require.Empty(t, p.CgoFiles, "%s uses cgo", p.ImportPath)
		require.NotContains(t, p.Imports, "C", "%s uses cgo", p.ImportPath)
		if within(p.ImportPath, module) {
			continue
		}
		known := false
		for _, m := range external {
			known = known || within(p.ImportPath, m)
		}
		require.True(t, known, "the library depends on %s", p.ImportPath)
	}
}

// TestNoCgo: nothing that is built by default needs a C compiler.
func TestNoCgo(t *testing.T) {
	for _, p := range goList(t, "./...") {
		require.Empty(t, p.CgoFiles, "%s uses cgo", p.ImportPath)
		require.NotContains(t, p.Imports, "C", "%s uses cgo", p.ImportPath)
	}
}

// TestFloorsNotice: the walk would pass if no package had a home; this makes
// sure that the check can fail.
func TestFloorsNotice(t *testing.T) {
	from, ok := home(module + "/ops/graph/passes")
	require.True(t, ok)
	require.Equal(t, "ops/graph", from)
	to, ok := home(module + "/runtime/train/deeper")
	require.True(t, ok)
	require.Equal(t, "runtime/train", to)
	require.Less(t, floors[from], floors[to])
	_, ok = home(module + "/elsewhere")
	require.False(t, ok)
}
