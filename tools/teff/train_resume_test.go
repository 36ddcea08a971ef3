package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImagesSum: a checkpoint goes on on a processor of another word size.
func TestImagesSum(t *testing.T) {
	require.Equal(t, uint32(0xecac0746), imagesSum(2, 0xfedcba98, []int{3, 1, 2}, []int{0, 1, 1}, []string{"cat", "dog"}))
}
