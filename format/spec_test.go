package format

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
)

// attributes writes down an operator's list.
type attributes struct {
	list []string
}

func (a *attributes) add(name, kind string)            { a.list = append(a.list, name+" "+kind) }
func (a *attributes) Bool(name string, _ *bool)        { a.add(name, "b") }
func (a *attributes) Int(name string, _ *int)          { a.add(name, "i") }
func (a *attributes) Float(name string, _ *float32)    { a.add(name, "f") }
func (a *attributes) String(name string, _ *string)    { a.add(name, "s") }
func (a *attributes) Ints(name string, _ *[]int)       { a.add(name, "i*") }
func (a *attributes) Floats(name string, _ *[]float32) { a.add(name, "f*") }

// TestSpecListsOperators: the places of attributes are part of the format. When
// this fails because an attribute was added at the end of a list, SPEC.md wants
// the line shown; when one was moved or removed, older files are misread.
func TestSpecListsOperators(t *testing.T) {
	b, err := os.ReadFile("SPEC.md")
	require.NoError(t, err)
	for _, d := range ops.Kinds() {
		var a attributes
		d.New().Fields(&a)
		line := fmt.Sprintf("| %d | %s | %s |", d.Kind, d.Name, strings.Join(a.list, ", "))
		if !strings.Contains(string(b), line+"\n") {
			t.Errorf("SPEC.md lacks\n%s", line)
		}
	}
}

// TestSpecLimits: SPEC.md and the reader have the same limits and places.
func TestSpecLimits(t *testing.T) {
	b, err := os.ReadFile("SPEC.md")
	require.NoError(t, err)
	text := strings.Join(strings.Fields(string(b)), " ")
	for _, want := range []string{
		fmt.Sprintf("header, %d bytes", headerSize),
		fmt.Sprintf("table of contents, %d bytes a section", entrySize),
		fmt.Sprintf("the weights at a multiple of %d or, when they are shorter than %d KiB, of %d.", pageSize, pageFrom>>10, weightAlign),
		fmt.Sprintf("is zero and shorter than %d bytes", pageSize),
		fmt.Sprintf("number of sections, at most %d |", maxSections),
		fmt.Sprintf("1 as a rule and at most 2^%d,", bits.Len(maxBatch)-1),
		fmt.Sprintf("Readers skip keys they do not know. At most %d MiB.", maxMeta>>20),
		fmt.Sprintf("At most %d values each.", maxGolden),
		fmt.Sprintf("would take more than %d MiB and the length of the section", maxGraphBytes>>20),
		fmt.Sprintf("decode to more than %d MiB and %d times the length of the weights", maxDecodeBytes>>20, maxDecodeRatio),
	} {
		require.Contains(t, text, want)
	}
}

// enumerations are the attributes that stand for one of several things, the types
// that package ops has for them, and what the names of their constants begin with.
var enumerations = []struct{ attribute, goType, prefix string }{
	{"auto_pad", "AutoPad", "Pad"},
	{"act, fn of Unary", "UnaryFn", "Unary"},
	{"fn of Binary", "BinaryFn", "Binary"},
	{"fn of Compare", "CompareFn", "Compare"},
	{"fn of Logic", "LogicFn", "Logic"},
	{"fn of Reduce", "ReduceFn", "Reduce"},
	{"fn of Pool and GlobalPool", "PoolFn", "Pool"},
	{"fn of Scatter", "ScatterFn", "Scatter"},
	{"mode of Pad", "PadMode", "Pad"},
	{"mode of Resize", "ResizeMode", "Resize"},
	{"coord", "ResizeCoord", "Coord"},
	{"round", "ResizeRound", "Round"},
	{"reduction", "Reduction", "Loss"},
}

// constants are the exported constants of package ops by type, as "number Name".
func constants(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../ops/*.go")
	require.NoError(t, err)
	found := map[string][]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				typ, ok := v.Type.(*ast.Ident)
				if !ok || len(v.Values) != 1 || !v.Names[0].IsExported() {
					continue
				}
				if n, ok := v.Values[0].(*ast.BasicLit); ok {
					found[typ.Name] = append(found[typ.Name], n.Value+" "+v.Names[0].Name)
				}
			}
		}
	}
	return found
}

// TestSpecListsEnumerations: the numbers of enumerations are part of the format,
// as TestSpecListsOperators has it of places.
func TestSpecListsEnumerations(t *testing.T) {
	b, err := os.ReadFile("SPEC.md")
	require.NoError(t, err)
	found := constants(t)
	for _, e := range enumerations {
		require.NotEmpty(t, found[e.goType], e.goType)
		list := make([]string, len(found[e.goType]))
		for i, c := range found[e.goType] {
			list[i] = strings.Replace(c, " "+e.prefix, " ", 1)
		}
		line := fmt.Sprintf("| %s | %s |", e.attribute, strings.Join(list, ", "))
		if !strings.Contains(string(b), line+"\n") {
			t.Errorf("SPEC.md lacks\n%s", line)
		}
	}
}
