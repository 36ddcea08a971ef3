package ops

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// fieldSetter gives every attribute it is shown a value of its own.
type fieldSetter struct {
	names map[string]bool
	twice string
	next  int
}

func (s *fieldSetter) see(name string) int {
	if s.names[name] {
		s.twice = name
	}
	s.names[name] = true
	s.next++
	return s.next
}

func (s *fieldSetter) Bool(name string, p *bool)        { s.see(name); *p = true }
func (s *fieldSetter) Int(name string, p *int)          { *p = s.see(name) }
func (s *fieldSetter) Float(name string, p *float32)    { *p = float32(s.see(name)) }
func (s *fieldSetter) String(name string, p *string)    { s.see(name); *p = "x" }
func (s *fieldSetter) Ints(name string, p *[]int)       { *p = []int{s.see(name)} }
func (s *fieldSetter) Floats(name string, p *[]float32) { *p = []float32{float32(s.see(name))} }

// zeroFields are the attributes of a struct that are still zero.
func zeroFields(path string, v reflect.Value) (zero []string) {
	if v.Kind() != reflect.Struct {
		if v.IsZero() {
			return []string{path}
		}
		return nil
	}
	for i := range v.NumField() {
		zero = append(zero, zeroFields(path+"."+v.Type().Field(i).Name, v.Field(i))...)
	}
	return zero
}

// TestFieldsAreComplete sets every attribute that Fields shows: an attribute
// that stays zero would be lost in files, and two with one name be confused.
func TestFieldsAreComplete(t *testing.T) {
	for _, d := range Kinds() {
		op := d.New()
		require.Equal(t, d.Kind, op.Kind())
		require.Equal(t, d.Name, d.Kind.String(), "printed name")
		s := &fieldSetter{names: map[string]bool{}}
		op.Fields(s)
		require.Empty(t, s.twice, "%s lists an attribute twice", d.Name)
		require.Empty(t, zeroFields(d.Name, reflect.ValueOf(op).Elem()), "%s: attributes that Fields does not list", d.Name)
	}
}
