//go:build !cuda

package driver

import (
	"fmt"

	"github.com/teff-ml/teff/accel"
)

// Open finds the machine's first device. In a program built without the tag
// cuda there is none.
func Open() (Driver, error) {
	return nil, fmt.Errorf("cuda: built without the tag cuda: %w", accel.ErrUnavailable)
}
