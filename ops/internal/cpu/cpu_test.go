package cpu

import "testing"

func TestRelax(t *testing.T) {
	Relax(0)
	Relax(-1)
	Relax(10)
}
