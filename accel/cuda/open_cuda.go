//go:build cuda

package cuda

import (
	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
)

// Open takes the machine's first device. The backend is an io.Closer; its
// states are closed before it. Without a device, a driver or the build tag
// cuda the error wraps accel.ErrUnavailable.
func Open() (accel.Backend, error) {
	d, err := driver.Open()
	if err != nil {
		return nil, err
	}
	return open(d)
}
