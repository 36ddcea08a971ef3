//go:build !cuda

package cuda

import (
	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
)

// Open says that this program was built without the tag cuda; the error wraps
// accel.ErrUnavailable. It refers to nothing of the backend, so that a default
// build links none of it.
func Open() (accel.Backend, error) {
	_, err := driver.Open()
	return nil, err
}
