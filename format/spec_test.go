package format

import (
	"fmt"
	"os"
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
