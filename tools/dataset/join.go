package dataset

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/teff-ml/teff/tools/imageio"
)

// New is a set of images from anywhere: a camera's buffer, a stream that is
// kept, a generator. labels are indices into classes; load gives image i and
// may be called from several goroutines.
func New(name string, classes []string, labels []int, load func(i int) (*imageio.RGB, error)) (*Set, error) {
	for i, l := range labels {
		if l < 0 || l >= len(classes) {
			return nil, fmt.Errorf("dataset: %s: image %d has label %d of %d classes", name, i, l, len(classes))
		}
	}
	return &Set{Name: name, Classes: slices.Clone(classes), Labels: slices.Clone(labels), load: load}, nil
}

// Join is all sets as one. They must have the same classes; a set that has
// only numbers for as many classes takes the names of another.
func Join(sets ...*Set) (*Set, error) {
	if len(sets) == 0 {
		return nil, fmt.Errorf("dataset: no sets to join")
	}
	if len(sets) == 1 {
		return sets[0], nil
	}
	j := &Set{Name: sets[0].Name, Classes: sets[0].Classes}
	type place struct {
		set *Set
		i   int
	}
	var places []place
	for _, s := range sets {
		if numbered(j.Classes) && len(j.Classes) == len(s.Classes) {
			j.Classes = s.Classes
		}
		if !slices.Equal(j.Classes, s.Classes) && !(numbered(s.Classes) && len(j.Classes) == len(s.Classes)) {
			return nil, fmt.Errorf("dataset: %s has the classes %v, %s has %v", sets[0].Name, j.Classes, s.Name, s.Classes)
		}
		j.Skipped = append(j.Skipped, s.Skipped...)
		j.Labels = append(j.Labels, s.Labels...)
		for i := range s.Len() {
			places = append(places, place{s, i})
		}
	}
	j.load = func(i int) (*imageio.RGB, error) { return places[i].set.load(places[i].i) }
	j.file = func(i int) string { return places[i].set.File(places[i].i) }
	return j, nil
}

// numbered reports classes that are called 0, 1, 2 and so on.
func numbered(classes []string) bool {
	for i, c := range classes {
		if c != strconv.Itoa(i) {
			return false
		}
	}
	return true
}
