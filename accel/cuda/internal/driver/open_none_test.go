//go:build !cuda

package driver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
)

func TestOpenWithoutTag(t *testing.T) {
	d, err := Open()
	require.Nil(t, d)
	require.ErrorIs(t, err, accel.ErrUnavailable)
	require.ErrorContains(t, err, "built without the tag cuda")
}
