//go:build !cuda

// Package cuda is the NVIDIA backend. It is not built by default: without the
// build tag cuda, Open says so.
package cuda

import (
	"fmt"

	"github.com/teff-ml/teff/accel"
)

// Open finds a device. In a program built without the tag cuda there is none.
func Open() (accel.Backend, error) {
	return nil, fmt.Errorf("cuda: built without the tag cuda: %w", accel.ErrUnavailable)
}
